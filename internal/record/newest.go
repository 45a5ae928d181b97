package record

// Newest is the newest format.
const Newest = 1
