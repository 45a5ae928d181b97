/*
 * Sessions of Parti: the claim on an ID, the heartbeat, and when a session ends by itself. README.md says what stands
 * for what. Two processes want one ID.
 *
 * Checked at each step that could break it:
 *   I5     at most one session acts under the ID
 *   Entry  a session that acts has its entry among the heartbeats, without a break: parti.pml builds on that
 *
 * A session acts from when its first heartbeat is acknowledged until its hooks have returned for good.
 */

#define PROCESSES 2

#ifndef SESSIONS
#define SESSIONS 2              /* claims that are stored, in all */
#endif

/* A lease lasts four ticks in the store. Its holder trusts it for three, and a hook needs less than one to return. */
#define TTL 4
#ifdef BREAK_MARGIN
#define TRUSTED TTL
#else
#define TRUSTED (TTL - 1)
#endif

#if !defined(ONLY) || ONLY == 5
#define CHECK_I5 assert(I5_one_identity)
#else
#define CHECK_I5 skip
#endif
#if !defined(ONLY) || ONLY == 0
#define CHECK_ENTRY assert(Entry_is_live)
#else
#define CHECK_ENTRY skip
#endif

/* ---- the store: one claim, one heartbeat ---- */

bool claim_live, beat_live;
byte claim_session, beat_session;
byte claim_left, beat_left;     /* ticks until the store may let it expire; it may also be late with that */
byte numbers;                   /* of sessions, given out so far */
byte ended;                     /* the observer's: the last session whose heartbeats have ended */

/* ---- the processes ---- */

byte session[PROCESSES];        /* 0: none */
byte prior[PROCESSES];          /* the session before, while its claim may be taken over */
byte claim_trust[PROCESSES];    /* ticks that are left; of the prior claim while there is no session */
byte beat_trust[PROCESSES];     /* the same; before acting, until when the first heartbeat must be acknowledged */
bool acts[PROCESSES];

/* One write of each kind may be under way. It outlives the session that sent it. */
mtype = { None, New, Renewal, NewStored, RenewalStored };
mtype claim[PROCESSES] = None;
byte claim_of[PROCESSES];       /* New: the session whose claim it takes over; else its own */
byte claim_worth[PROCESSES];    /* what an acknowledgement is worth: counted from the send */
mtype beat[PROCESSES] = None;
byte beat_of[PROCESSES];
byte beat_worth[PROCESSES];

hidden byte I5_one_identity, Entry_is_live, i;

#define forget_claim(p) claim[p] = None; claim_of[p] = 0; claim_worth[p] = 0
#define forget_beat(p) beat[p] = None; beat_of[p] = 0; beat_worth[p] = 0

#define in_trust(p) (claim_trust[p] > 0 && beat_trust[p] > 0)

#define entry(p) (!acts[p] || (beat_live && beat_session == session[p] && session[p] > ended))

inline check() {
	I5_one_identity = !(acts[0] && acts[1]);
	CHECK_I5;
	Entry_is_live = entry(0) && entry(1);
	CHECK_ENTRY
}

/* A rejoin takes its own claim over while that is trusted. Anybody else finds it taken until it has ended. */
inline send_claim(p) {
	claim[p] = New;
	claim_of[p] = (claim_trust[p] > 0 -> prior[p] : 0);
	claim_worth[p] = TRUSTED
}

inline renew_claim(p) {
	claim[p] = Renewal; claim_of[p] = session[p]; claim_worth[p] = TRUSTED
}

inline claim_answered(p) {
	if
	:: claim[p] == NewStored && session[p] == 0 && claim_worth[p] > 0 ->
		session[p] = claim_of[p]; prior[p] = 0;
		claim_trust[p] = claim_worth[p];
		beat_trust[p] = TRUSTED
	:: claim[p] == RenewalStored && session[p] == claim_of[p] && claim_trust[p] > 0 ->
#ifdef BREAK_ANSWER
		claim_trust[p] = TRUSTED
#else
		claim_trust[p] = claim_worth[p]
#endif
	:: else         /* too late, or nobody is there any more */
	fi;
	forget_claim(p)
}

inline send_beat(p) {
	beat[p] = (acts[p] -> Renewal : New);
	beat_of[p] = session[p];
	beat_worth[p] = TRUSTED
}

#ifdef BREAK_FIRST
#define first_in_time(p) (claim_trust[p] > 0)
#else
#define first_in_time(p) in_trust(p)
#endif

inline beat_answered(p) {
	if
	:: session[p] == beat_of[p] && beat_worth[p] > 0 && (acts[p] && in_trust(p) || !acts[p] && first_in_time(p)) ->
		acts[p] = true;
#ifdef BREAK_ANSWER
		beat_trust[p] = TRUSTED;
#else
		beat_trust[p] = beat_worth[p];
#endif
		check()
	:: else
	fi;
	forget_beat(p)
}

/* All hooks have returned. The claim is kept, to be taken over. */
inline end_session(p) {
	prior[p] = (claim_trust[p] > 0 -> session[p] : 0);
	session[p] = 0; acts[p] = false; beat_trust[p] = 0
}

/* Another process takes the place of the one that crashed, and knows nothing of it. */
inline crash(p) {
	session[p] = 0; prior[p] = 0; acts[p] = false; beat_trust[p] = 0; claim_trust[p] = 0;
	if
	:: claim[p] == NewStored -> forget_claim(p)
	:: else
	fi
}

proctype Process(byte p) {
end:	do
	:: d_step { session[p] == 0 && claim[p] == None && numbers < SESSIONS -> send_claim(p); skip }
	:: d_step { session[p] > 0 && claim[p] == None && claim_trust[p] > 0 -> renew_claim(p); skip }
	:: d_step { claim[p] == NewStored || claim[p] == RenewalStored -> claim_answered(p); skip }
	:: d_step { session[p] > 0 && beat[p] == None && (acts[p] && in_trust(p) || !acts[p] && first_in_time(p)) -> send_beat(p); skip }
	:: d_step { beat[p] == NewStored || beat[p] == RenewalStored -> beat_answered(p); skip }
	:: d_step { session[p] > 0 -> end_session(p); skip }
	:: d_step { session[p] > 0 || prior[p] > 0 -> crash(p); skip }
	:: d_step { prior[p] > 0 && claim_trust[p] == 0 -> prior[p] = 0; skip }
	od
}

/* ---- the store ---- */

/* What is renewed when its time is up may still be overwritten by the marker of its expiry. */
#define lengthened(left) (left == 0 -> 0 : TTL)

/* The same for what a new session writes over the entry of the one before: a limit, see README.md. */
#ifdef LIMIT_TAKEOVER
#define begun(live, left) (live && left == 0 -> 0 : TTL)
#else
#define begun(live, left) TTL
#endif

inline store_claim(p) {
	if
	:: claim[p] == New && numbers < SESSIONS && (!claim_live || (claim_of[p] > 0 && claim_session == claim_of[p])) ->
		claim_left = begun(claim_live, claim_left);
		numbers++;
		claim_live = true; claim_session = numbers;
		claim[p] = NewStored; claim_of[p] = numbers
	:: claim[p] == Renewal && claim_live && claim_session == claim_of[p] ->
		claim_left = lengthened(claim_left);
		claim[p] = RenewalStored
	:: else ->
		forget_claim(p)
	fi
}

inline store_beat(p) {
	if
	:: beat[p] == New && beat_session <= beat_of[p] ->
		beat_left = begun(beat_live, beat_left);
		beat_live = true; beat_session = beat_of[p];
		beat[p] = NewStored;
		check()
	:: beat[p] == Renewal && beat_live && beat_session == beat_of[p] ->
		beat_left = lengthened(beat_left);
		beat[p] = RenewalStored
	:: else ->
		forget_beat(p)
	fi
}

proctype Store() {
end:	do
	:: d_step { claim[0] == New || claim[0] == Renewal -> store_claim(0); skip }
	:: d_step { claim[1] == New || claim[1] == Renewal -> store_claim(1); skip }
	:: d_step { beat[0] == New || beat[0] == Renewal -> store_beat(0); skip }
	:: d_step { beat[1] == New || beat[1] == Renewal -> store_beat(1); skip }
	:: d_step { claim[0] != None -> forget_claim(0); skip }         /* the write is lost, or its answer */
	:: d_step { claim[1] != None -> forget_claim(1); skip }
	:: d_step { beat[0] != None -> forget_beat(0); skip }
	:: d_step { beat[1] != None -> forget_beat(1); skip }
	:: d_step { claim_live && claim_left == 0 -> claim_live = false; skip }
	:: d_step { beat_live && beat_left == 0 -> beat_live = false; ended = beat_session; check(); skip }
	od
}

/* ---- time: all clocks run at the same rate ---- */

/* Whose trust is over has given everything up before the next tick. */
#if defined(BREAK_FENCING)
#define in_time(p) true
#elif defined(BREAK_FIRST)
#define in_time(p) (session[p] == 0 || !acts[p] || in_trust(p))
#else
#define in_time(p) (session[p] == 0 || in_trust(p))
#endif

#define pass(c) if :: c > 0 -> c-- :: else fi

proctype Clock() {
end:	do
	:: d_step { in_time(0) && in_time(1) ->
		pass(claim_left);
		pass(beat_left);
		for (i : 0 .. PROCESSES - 1) {
			pass(claim_trust[i]);
			pass(beat_trust[i]);
			pass(claim_worth[i]);
			pass(beat_worth[i])
		}; skip }
	od
}

init {
	atomic { run Process(0); run Process(1); run Store(); run Clock() }
}
