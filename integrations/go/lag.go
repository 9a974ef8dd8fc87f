package vaultcontext

import (
	"context"
	"math/rand/v2"
	"time"
)

// The active node makes a token, and a standby that serves reads hears of it some milliseconds later. Until then it says that
// there is no such token, in the words for a spent one, or answers 412.
const (
	// patienceLasts is for one step. Standbys lag by milliseconds, and a Lambda function has 3 s unless it is given more.
	patienceLasts = 2 * time.Second
	firstPause    = 20 * time.Millisecond
	longestPause  = 400 * time.Millisecond
)

// life is how long a token lives; the zero value has no end.
type life struct{ ends time.Time }

func lifeOf(lasts time.Duration) life { return life{time.Now().Add(lasts)} }

func (l life) isOverAfter(pause time.Duration) bool {
	return !l.ends.IsZero() && !time.Now().Add(pause).Before(l.ends)
}

// verdict says whether to ask again.
type verdict int

const (
	askAgain verdict = iota
	// lifeOver means that the token has expired, or would before the next answer.
	lifeOver
	// patienceOver means that no node that only lags behind needs so long.
	patienceOver
)

// patience is the pauses of one step.
type patience struct {
	began time.Time
	next  time.Duration
}

func newPatience() *patience { return &patience{time.Now(), firstPause} }

// pause waits before the next try, if there is to be one. Where ctx ends it returns at once, and the next try says so.
func (p *patience) pause(ctx context.Context, l life) verdict {
	// Chance spreads the tries of requests that failed together.
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
	return askAgain
}
