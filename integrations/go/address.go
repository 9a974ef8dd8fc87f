package vaultcontext

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// address is Vault's address, normalised so that two of them can be compared with ==.
type address struct {
	scheme, host, port, path string
}

// parseAddress accepts https, or http to a loopback host. Its errors never quote the address, which may hold a password.
func parseAddress(text string) (address, error) {
	if !isVisibleASCII(text) {
		return address{}, errors.New("must be visible ASCII (an internationalised host in its xn-- form)")
	}
	if strings.ContainsAny(text, `?#\%`) {
		return address{}, errors.New(`must not contain a query, a fragment, "%" or "\"`)
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return address{}, errors.New("must be an absolute URL with a host")
	}
	if u.User != nil {
		return address{}, errors.New("must not contain a user name or a password")
	}
	parsed := address{scheme: u.Scheme, host: canonicalHost(u.Hostname()), path: strings.TrimRight(u.Path, "/")}
	if parsed.scheme != "https" && !(parsed.scheme == "http" && isLoopback(parsed.host)) {
		return address{}, errors.New("must start with https:// (http:// is for a loopback host)")
	}
	if parsed.path != "" && !isPath(parsed.path[1:]) {
		return address{}, errors.New("must have a path of plain segments, or none")
	}
	if parsed.port, err = effectivePort(u); err != nil {
		return address{}, err
	}
	return parsed, nil
}

func effectivePort(u *url.URL) (string, error) {
	if u.Port() == "" {
		return map[string]string{"https": "443", "http": "80"}[u.Scheme], nil
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || port == 0 {
		return "", errors.New("must have a port between 1 and 65535")
	}
	return strconv.FormatUint(port, 10), nil
}

// canonicalHost lowercases a host name and shortens an IP address.
func canonicalHost(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.String()
	}
	return strings.ToLower(host)
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host == "localhost"
	}
	return ip.IsLoopback() && !ip.Is4In6()
}

func (a address) String() string {
	return a.scheme + "://" + net.JoinHostPort(a.host, a.port) + a.path
}

// url returns the URL of a call. It encodes each segment by itself, so a path can neither climb nor add a query.
func (a address) url(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	return a.String() + "/v1/" + strings.Join(segments, "/")
}

func isPath(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		climbs := segment == "" || segment == "." || segment == ".."
		if climbs || strings.ContainsAny(segment, `?#\`) || strings.ContainsFunc(segment, unicode.IsControl) {
			return false
		}
	}
	return true
}

// isCreationPath accepts paths below auth/, because anyone can wrap anything at other paths, such as sys/wrapping/wrap. It
// rejects patterns, because paths are compared exactly.
func isCreationPath(path string) bool {
	below, found := strings.CutPrefix(path, "auth/")
	return found && strings.Contains(below, "/") && isPath(below) && isVisibleASCII(below) && !strings.ContainsAny(below, "*{")
}

func isVisibleASCII(text string) bool {
	return !strings.ContainsFunc(text, func(letter rune) bool { return letter <= ' ' || letter > '~' })
}
