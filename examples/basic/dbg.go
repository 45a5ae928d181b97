package main
import ("bytes";"sync")
type lockedBuf struct{ mu sync.Mutex; b bytes.Buffer }
func (l *lockedBuf) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
var debugLog = &lockedBuf{}
