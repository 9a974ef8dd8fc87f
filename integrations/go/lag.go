package vaultcontext

import (
	"context"
	"math/rand/v2"
	"time"
)

// The active node creates a token, and a standby that serves reads learns of it some milliseconds later. Until then, the standby
// reports the token as spent, or responds with 412.
const (
	// patienceLasts limits one step. Standbys lag by milliseconds, and a Lambda function times out after 3 s by default.
	patienceLasts = 2 * time.Second
	firstPause    = 20 * time.Millisecond
	longestPause  = 400 * time.Millisecond
)

// life says when a token expires. The zero value never does.
type life struct{ ends time.Time }

func lifeOf(lasts time.Duration) life { return life{time.Now().Add(lasts)} }

func (l life) isOverAfter(pause time.Duration) bool {
	return !l.ends.IsZero() && !time.Now().Add(pause).Before(l.ends)
}

// verdict says whether to try again.
type verdict int

const (
	tryAgain verdict = iota
	// lifeOver means that the token has expired, or would during the pause.
	lifeOver
	// patienceOver means that a node which only lags behind would know the token by now.
	patienceOver
)

// patience paces the retries of one step.
type patience struct {
	began time.Time
	next  time.Duration
}

func newPatience() *patience { return &patience{time.Now(), firstPause} }

// pause waits before the next try, if there is one. If ctx ends, it returns at once, and the next try reports that.
func (p *patience) pause(ctx context.Context, l life) verdict {
	// Jitter spreads the retries of requests that failed together.
	pause := p.next/2 + rand.N(p.next/2+1)
	if l.isOverAfter(pause) {
		return lifeOver
	}
	if time.Since(p.began)+pause > patienceLasts {
		return patienceOver
	}
	p.next = min(2*p.next, longestPause)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return tryAgain
}
