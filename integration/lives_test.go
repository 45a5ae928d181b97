//go:build !race

package integration

// lives is how many lives an ordinary test run simulates.
const lives = 40
