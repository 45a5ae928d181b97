/*
 * Terms and handoffs of Parti, for exhaustive search. lease.pml has what is below: why the entry of a session does not
 * end while that session acts. README.md says what stands for what.
 *
 * Checked at each step that could break it:
 *   I1  no two sessions run one partition at a time
 *   I2  each time a partition is begun its epoch is above every earlier one
 *   I6  what was sent under a term that is not the last one never gets into the store
 *
 * A macro BREAK_... takes one rule away. Each of these models has to be rejected; verify.sh sees to that.
 */

#define WORKERS 2

#ifndef PARTITIONS
#define PARTITIONS 2
#endif
#ifndef SESSIONS
#define SESSIONS 2              /* how many each worker may begin */
#endif
#ifndef TERMS
#define TERMS 2
#endif
#ifndef VERSIONS
#define VERSIONS 3
#endif

#define AT(w, p) ((w) * PARTITIONS + (p))

#if !defined(ONLY) || ONLY == 1
#define CHECK_I1 assert(I1_exclusive)
#else
#define CHECK_I1 skip
#endif
#if !defined(ONLY) || ONLY == 2
#define CHECK_I2 assert(I2_fenced)
#else
#define CHECK_I2 skip
#endif
#if !defined(ONLY) || ONLY == 6
#define CHECK_I6 assert(I6_one_writer)
#else
#define CHECK_I6 skip
#endif

/* ---- the store ---- */

bool beat_live[WORKERS];
byte beat_session[WORKERS];     /* stays when the entry has ended */
byte beat_applied[WORKERS];

byte record_session[WORKERS];
byte record_version[WORKERS];
byte record_epoch[WORKERS * PARTITIONS];  /* 0: the record does not name the partition */
byte record_since[WORKERS * PARTITIONS];  /* 0: owned; else releasing, asked for by this version */

byte term;                      /* also the revision of its entry: nothing else is written there */
byte version;

/* ---- the workers ---- */

bool joined[WORKERS];
byte session[WORKERS];          /* the number of the current one, or of the last */
byte running[WORKERS];          /* bits: from just before the hook is told until it has returned */
byte applied[WORKERS];

/* While the hook runs: what is to be held when it has returned, and the version that says so; 0 while none runs. */
byte target[WORKERS];           /* bits */
byte target_version[WORKERS];

/* One heartbeat of each worker may be under way. It outlives the session that sent it. */
mtype = { None, First, Renewal };
mtype wire[WORKERS] = None;
byte wire_session[WORKERS];
byte wire_applied[WORKERS];

/* ---- the leader: what it has under way, and what the one before it had ---- */

#define SLOT(k, w) ((k) * WORKERS + (w))
#define ITEM(k, w, p) (SLOT(k, w) * PARTITIONS + (p))
bool sent[2];
byte sent_term[2];
byte sent_version[2];
byte sent_session[2 * WORKERS]; /* 0: this worker's record is not part of it */
byte sent_epoch[2 * WORKERS * PARTITIONS];
byte sent_since[2 * WORKERS * PARTITIONS];

#if defined(BREAK_SNAPSHOT)
/* A leader believes a replica that lags behind the records: it shows nobody at first. */
bool view_live[WORKERS];
byte view_session[WORKERS];
byte view_applied[WORKERS];
#else
/* What has been seen of a session stays true, so knowing it late only means to act later. */
#define view_live beat_live
#define view_session beat_session
#define view_applied beat_applied
#endif

#ifdef BREAK_VERSION
byte leads_version;
#else
#define leads_version version
#endif

byte last_epoch[PARTITIONS];    /* the observer's: with which a partition was begun last */

hidden byte I1_exclusive, I2_fenced, I6_one_writer;
hidden byte i, j, v, h, differs, any;

/* The leader's ledger while it decides; zero at all other times. */
byte holder[PARTITIONS];
bool held[PARTITIONS];
byte act[PARTITIONS];

/* ---- a worker ---- */

/* The first heartbeat is stored: it is acknowledged when the worker goes on, and if the answer is lost it does not. */
#define trusting(w) (joined[w] && beat_live[w] && beat_session[w] == session[w])

inline forget_target(w) {
	target[w] = 0; target_version[w] = 0
}

inline forget_wire(w) {
	wire[w] = None; wire_session[w] = 0; wire_applied[w] = 0
}

inline begin_session(w) {
	session[w]++; joined[w] = true
}

/* The end of a session, whatever ends it: a crash, lost trust, a clean leave. All hooks have returned. */
inline end_session(w) {
	joined[w] = false; running[w] = 0; applied[w] = 0;
	forget_target(w)
}

inline send_beat(w) {
	wire[w] = (trusting(w) -> Renewal : First);
	wire_session[w] = session[w];
	wire_applied[w] = applied[w]
}

/* From just before the hook is told. A worker that reads late, or is slow to tell its hook, is a slow hook here. */
inline hook_begins(w) {
	target_version[w] = record_version[w];
	for (i : 0 .. PARTITIONS - 1) {
		if
		:: record_epoch[AT(w, i)] > 0 && record_since[AT(w, i)] == 0 ->
			target[w] = target[w] | (1 << i);
			if
			:: !(running[w] & (1 << i)) ->
				I2_fenced = (record_epoch[AT(w, i)] > last_epoch[i]);
				CHECK_I2;
				last_epoch[i] = record_epoch[AT(w, i)]
			:: else
			fi
		:: else
		fi
	}
	running[w] = running[w] | target[w];
	I1_exclusive = ((running[0] & running[1]) == 0);
	CHECK_I1;
#ifdef BREAK_ACKNOWLEDGE
	applied[w] = target_version[w]
#endif
}

inline hook_returns(w) {
	running[w] = target[w];
	applied[w] = target_version[w];
	forget_target(w)
}

#ifdef BREAK_SESSION
#define own_record(w) (record_session[w] > 0)
#else
#define own_record(w) (record_session[w] == session[w])
#endif

proctype Worker(byte w) {
end:	do
	:: d_step { !joined[w] && session[w] < SESSIONS -> begin_session(w); skip }
	:: d_step { joined[w] -> end_session(w); skip }
	:: d_step { joined[w] && wire[w] == None && (!trusting(w) || applied[w] > beat_applied[w]) -> send_beat(w); skip }
	:: d_step { trusting(w) && target_version[w] == 0 && own_record(w) && record_version[w] > applied[w] -> hook_begins(w); skip }
	:: d_step { target_version[w] > 0 -> hook_returns(w); skip }
	od
}

/* ---- the store ---- */

inline store_beat(w) {
	if
	:: wire[w] == Renewal && beat_live[w] && beat_session[w] == wire_session[w] ->
		beat_applied[w] = wire_applied[w]
	:: wire[w] == First && (beat_session[w] < wire_session[w] || (beat_live[w] && beat_session[w] == wire_session[w])) ->
		beat_live[w] = true;
		beat_session[w] = wire_session[w];
		beat_applied[w] = 0
	:: else
	fi;
	forget_wire(w)
}

/* The entry ends: it expired, or was deleted when its session left. lease.pml shows that the session is over by then. */
#ifdef BREAK_EXPIRY
#define may_end(w) beat_live[w]
#else
#define may_end(w) (beat_live[w] && !(joined[w] && session[w] == beat_session[w]))
#endif

inline end_beat(w) {
	beat_live[w] = false; beat_applied[w] = 0
}

inline forget_content(k) {
	sent_version[k] = 0;
	for (i : 0 .. WORKERS - 1) {
		sent_session[SLOT(k, i)] = 0;
		for (j : 0 .. PARTITIONS - 1) { sent_epoch[ITEM(k, i, j)] = 0; sent_since[ITEM(k, i, j)] = 0 }
	}
}

inline forget_write(k) {
	sent[k] = false; sent_term[k] = 0;
	forget_content(k)
}

#ifdef BREAK_FENCE
#define passes(k) true
#else
#define passes(k) (sent_term[k] == term)
#endif

inline store_write(k) {
	if
	:: passes(k) ->
		I6_one_writer = (sent_term[k] == term);
		CHECK_I6;
		version = sent_version[k];
#ifdef BREAK_VERSION
		leads_version = version;
#endif
		for (i : 0 .. WORKERS - 1) {
			if
			:: sent_session[SLOT(k, i)] > 0 ->
				record_session[i] = sent_session[SLOT(k, i)];
				record_version[i] = version;
				for (j : 0 .. PARTITIONS - 1) {
					record_epoch[AT(i, j)] = sent_epoch[ITEM(k, i, j)];
					record_since[AT(i, j)] = sent_since[ITEM(k, i, j)]
				}
			:: else
			fi
		}
	:: else
	fi;
	forget_write(k)
}

proctype Store() {
end:	do
	:: d_step { wire[0] != None -> store_beat(0); skip }
	:: d_step { wire[1] != None -> store_beat(1); skip }
	:: d_step { wire[0] != None -> forget_wire(0); skip }   /* the heartbeat is lost */
	:: d_step { wire[1] != None -> forget_wire(1); skip }
	:: d_step { may_end(0) -> end_beat(0); skip }
	:: d_step { may_end(1) -> end_beat(1); skip }
	:: d_step { sent[0] -> store_write(0); skip }
	:: d_step { sent[1] -> store_write(1); skip }
	:: d_step { sent[0] -> forget_write(0); skip }          /* the write is lost */
	:: d_step { sent[1] -> forget_write(1); skip }
	od
}

/* ---- the leader of the last term ---- */

#define KEEP 0
#define REVOKE 1
#define GRANT 2                 /* GRANT + w: to worker w */

#define mine (term & 1)         /* the slot of this term */

/*
 * Whoever wants to lead may begin a term, at any time: the lease on leadership only says who should try. What the term
 * before the last one had under way is settled by then.
 */
inline begin_term() {
#ifndef BREAK_FENCE
	forget_content(mine);   /* it is refused whatever it says, so that states differ in it is of no use */
#endif
	term++;
#ifdef BREAK_VERSION
	leads_version = 0;
#endif
#ifdef BREAK_SNAPSHOT
	for (i : 0 .. WORKERS - 1) { view_live[i] = false; view_session[i] = 0; view_applied[i] = 0 }
#endif
}

/* Who holds each partition, as the records and the sessions say. */
inline read_ledger() {
	for (i : 0 .. PARTITIONS - 1) {
		act[i] = KEEP;
		holder[i] = (record_epoch[AT(0, i)] >= record_epoch[AT(1, i)] -> 0 : 1);
		h = holder[i];
		held[i] = record_epoch[AT(h, i)] > 0 && view_live[h] && view_session[h] == record_session[h];
		if
		:: held[i] && record_since[AT(h, i)] > 0 ->
#ifdef BREAK_GRANT
			held[i] = false
#else
			held[i] = (view_applied[h] < record_since[AT(h, i)])
#endif
		:: else
		fi
	}
}

#define may_revoke(p) (held[p] && record_since[AT(holder[p], p)] == 0)
#define may_grant(p, w) (!held[p] && view_live[w])

inline decide(p) {
	if
	:: true
	:: may_revoke(p) -> act[p] = REVOKE
	:: may_grant(p, 0) -> act[p] = GRANT
	:: may_grant(p, 1) -> act[p] = GRANT + 1
	fi
}

/* One version: what was decided for each partition, as whole records of those workers for whom something is new. */
inline send_write(k) {
	v = leads_version + 1;
	any = 0;
	for (i : 0 .. WORKERS - 1) {
		differs = (record_session[i] != view_session[i]);
		for (j : 0 .. PARTITIONS - 1) {
			if
			:: act[j] == GRANT + i ->
				sent_epoch[ITEM(k, i, j)] = v
			:: act[j] != GRANT + i && held[j] && holder[j] == i ->
				sent_epoch[ITEM(k, i, j)] = record_epoch[AT(i, j)];
				sent_since[ITEM(k, i, j)] = (act[j] == REVOKE -> v : record_since[AT(i, j)])
			:: else
			fi;
			differs = differs || sent_epoch[ITEM(k, i, j)] != record_epoch[AT(i, j)] || sent_since[ITEM(k, i, j)] != record_since[AT(i, j)]
		}
		if
		:: view_live[i] && differs ->
			sent_session[SLOT(k, i)] = view_session[i]; any = 1
		:: else ->
			for (j : 0 .. PARTITIONS - 1) { sent_epoch[ITEM(k, i, j)] = 0; sent_since[ITEM(k, i, j)] = 0 }
		fi
	}
	if
	:: any -> sent[k] = true; sent_term[k] = term; sent_version[k] = v
	:: else
	fi;
	for (i : 0 .. PARTITIONS - 1) { holder[i] = 0; held[i] = 0; act[i] = 0 }
}

#ifdef BREAK_UNKNOWN
/* A write without an answer is taken for one that failed: the next one is sent while it may still arrive. */
inline take_for_failed(k, other) {
	sent[other] = true; sent_term[other] = sent_term[k]; sent_version[other] = sent_version[k];
	for (i : 0 .. WORKERS - 1) {
		sent_session[SLOT(other, i)] = sent_session[SLOT(k, i)];
		for (j : 0 .. PARTITIONS - 1) {
			sent_epoch[ITEM(other, i, j)] = sent_epoch[ITEM(k, i, j)];
			sent_since[ITEM(other, i, j)] = sent_since[ITEM(k, i, j)]
		}
	}
	forget_write(k)
}
#endif

#ifdef BREAK_SNAPSHOT
inline look(w) {
	view_live[w] = beat_live[w]; view_session[w] = beat_session[w]; view_applied[w] = beat_applied[w]
}
#endif

proctype Leader() {
end:	do
	:: d_step { term < TERMS && !sent[1 - mine] -> begin_term(); skip }
	:: atomic { term > 0 && !sent[mine] && leads_version < VERSIONS && (view_live[0] || view_live[1]) ->
		d_step { read_ledger(); skip };
		decide(0);
#if PARTITIONS > 1
		decide(1);
#endif
		d_step { send_write(mine); skip } }
#ifdef BREAK_UNKNOWN
	:: d_step { sent[mine] && !sent[1 - mine] -> take_for_failed(mine, 1 - mine); skip }
#endif
#ifdef BREAK_SNAPSHOT
	:: d_step { true -> look(0); skip }
	:: d_step { true -> look(1); skip }
#endif
	od
}

init {
	atomic { run Worker(0); run Worker(1); run Store(); run Leader() }
}
