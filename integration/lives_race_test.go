//go:build race

package integration

// lives are fewer under the race detector, where each takes many times as long.
const lives = 25
