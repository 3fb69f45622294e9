package incident

import "time"

// backoff before the next try after so many failed ones, with full jitter:
// rnd is in [0, 1). Never more than a minute.
func backoff(failed int, rnd float64) time.Duration {
	most := time.Minute
	if failed < 6 {
		most = time.Second << failed
	}
	return time.Duration(float64(most) * rnd)
}

// blockedPause before a blocked incident is tried again: 15 s doubling to 15
// minutes, so that it heals by itself soon after its cause is gone.
func blockedPause(tries int) time.Duration {
	const least, most = 15 * time.Second, 15 * time.Minute
	if tries >= 6 {
		return most
	}
	return min(most, least<<tries)
}
