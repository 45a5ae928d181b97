// The scenes: what each is called, and what there is to see.

export const scenes = {
  crash: ["Crash", "A worker is killed. Nobody knows until its heartbeat expires, 6 s after its last renewal; then the leader gives its partitions to the others. Nothing else moves."],
  leader: ["Leader loss", "The leader is killed. Another worker leads after about 3 s, under a higher term, and then deals with the partitions of the dead one. Leadership by itself moves nothing."],
  mass: ["Mass crash", "Two fifths of the workers are killed at once. The leader waits for one more heartbeat's life: the store may be the culprit. Then everything is divided among those that are left."],
  freeze: ["Freeze and thaw", "A worker is frozen for 20 s. Its partitions go to others. When it wakes up it still believes that it owns them: the fence refuses its writes, because their epochs are over. Then it comes back as a newcomer."],
  cut: ["Network cut", "A worker is cut off from the store for 20 s. Its trust runs out after 4.5 s and it gives everything up by itself, before the others count it dead and take over."],
  rolling: ["Rolling restart", "Each worker is stopped, and started again under its ID, one after the other. No partition moves: each waits for its worker."],
  drain: ["Drain", "A worker hands its partitions over one by one while it goes on working. Then it leaves."],
  jam: ["Stuck handlers", "The handlers of a worker do not return, and the worker is drained. Its partitions stay where they are, because nobody else may run them meanwhile. After 30 s the worker and the leader report that. After a minute the handlers return, and the drain goes on."],
  scale: ["Scale out", "Three workers join. Once the window for planned changes closes, 10 s later, each of them gets its share, and no more moves than that."],
  store: ["Store outage", "The store is away for 8 s. Every worker gives up what it has when its trust ends. When the store is back, everyone has its partitions again."],
};
