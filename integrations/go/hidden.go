package vaultcontext

// hidden holds a secret. No printer can show it, not even by reflection, because a function prints as its address.
type hidden func() string

func hide(text string) hidden { return func() string { return text } }

// expose returns the secret, which is empty for the zero value. Search for its name to find every use.
func (h hidden) expose() string {
	if h == nil {
		return ""
	}
	return h()
}
