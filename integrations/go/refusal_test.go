package vaultcontext

import (
	"strings"
	"testing"
)

func TestRefusalsSayWhoHasToAct(t *testing.T) {
	const sealed, noWrapping = `{"errors":["Vault is sealed"]}`, `{"errors":["wrapping token is not valid or does not exist"]}`
	const list = `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`
	token := hide("hvs.x")
	for name, test := range map[string]struct {
		status     int
		body       string
		token      hidden
		retryAfter bool
		code       string
		lag        bool
	}{
		"not known":                    {400, noWrapping, nil, false, codeWrappingTokenNotValid, true},
		"invalid token":                {403, `{"errors":["permission denied","invalid token"]}`, token, false, codeTokenNotValid, true},
		"permission denied":            {403, `{"errors":["permission denied"]}`, token, false, codeTokenNotValid, true},
		"denied among more":            {403, list, token, false, codeForbidden, false},
		"denied without a token":       {403, `{"errors":["permission denied"]}`, nil, false, codeRefused, false},
		"another 403":                  {403, `{"errors":["no"]}`, token, false, codeRefused, false},
		"lags":                         {412, `{"errors":["required index state not present"]}`, nil, false, codeUnavailable, true},
		"lags without a word":          {429, `{"errors":[]}`, nil, true, codeUnavailable, true},
		"an empty 429":                 {429, "", nil, false, codeUnavailable, true},
		"an empty 429 that says when":  {429, " ", nil, true, codeThrottled, false},
		"a quota":                      {429, `{"errors":["rate limit quota exceeded"]}`, nil, false, codeThrottled, false},
		"sealed":                       {503, sealed, nil, false, codeSealed, false},
		"another 503":                  {503, "<html>", nil, false, codeUnavailable, false},
		"leader lost":                  {400, `{"errors":["leadership lost"]}`, nil, false, codeUnavailable, false},
		"another 400":                  {400, `{"errors":["missing role"]}`, nil, false, codeRefused, false},
		"nothing there":                {404, `{"errors":[]}`, token, false, codeRefused, false},
		"a deleted version":            {404, `{"data":{"data":null}}`, token, false, codeRefused, false},
		"a proxy's 404":                {404, "not found", token, false, codeUnavailable, false},
		"a standby's health":           {473, "", nil, false, codeUnavailable, false},
		"a health status, and not one": {475, "", nil, false, codeRefused, false},
		"an internal error":            {500, `{"errors":["internal error"]}`, nil, false, codeUnavailable, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := refusal(call{path: "a/b", token: test.token}, test.status, test.retryAfter, []byte(test.body))
			if err.Code() != test.code || err.effect.lag != test.lag {
				t.Errorf("got %s, lag %v", err.Code(), err.effect.lag)
			}
			if outage := err.Status() == 503; outage != err.IsOutage() {
				t.Errorf("status %d, outage %v", err.Status(), err.IsOutage())
			}
		})
	}
}

func TestWhatIsNotAnErrorOfVaultsIsInNoMessage(t *testing.T) {
	for _, body := range []string{`{"data":{"password":"hunter2"}}`, `{"errors":[{"password":"hunter2"}]}`} {
		err := refusal(call{path: "a/b"}, 404, false, []byte(body))
		if err.Code() != codeRefused || !strings.HasSuffix(err.Error(), ": no reason given") {
			t.Errorf("got %v", err)
		}
	}
}

func TestVaultsTextsAreFitForALog(t *testing.T) {
	c := call{token: hide("root"), mentions: hide("dev-wrapping")}
	for text, want := range map[string]string{
		"missing role":        "missing role",
		"first\nsecond":       "first",
		"token root is not x": "token … is not x",
		"no dev-wrapping":     "no …",
		"1 error occurred:\n\t* missing client token\n\n":       "missing client token",
		"hvs.CAESIJlU9JMYEhOPYv4igdhm9PnZDrabYTobQ4Ymnlq1qY0 x": "… x",
		"s.KGXDu8CLc1DnGKEU4KBqXzzW":                            "…",
		"id 3f1c9b52-6a0e-4c3d-9f0a-1b2c3d4e5f60 unknown":       "id … unknown",
		"jwt eyJhbGciOiJub25lIn0":                               "jwt …",
		"no handler for route \"secret/data/orders\"":           "no handler for route \"secret/data/orders\"",
		"a<b>":          "a",
		"bell\x07\x1b[": "bell[",
	} {
		if got := sanitised(text, c); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := sanitised(strings.Repeat("é ", 1000), c); len([]rune(got)) != maxMessageRunes {
		t.Errorf("got %d letters", len([]rune(got)))
	}
}
