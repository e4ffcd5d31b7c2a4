/*
 * How a loop sleeps and is woken, as a model for Spin. post.h and port.c argue that it is right; here
 * every order of steps is tried. tools/models.sh runs it in each scenario, and once for each
 * safeguard taken out (VARIANT), which Spin has to notice.
 *
 * What must hold:
 *   no wake is lost           a loop that sleeps with something to do, while nothing is on its way to
 *                             wake it, never ends
 *   one packet at most        an assertion where it is sent
 *   what was accepted runs    an assertion where the loop is freed
 *   nobody has a loop that    an assertion in each step of a thread
 *     is freed
 *   it always ends            the formula `ends`, with weak fairness
 *
 * The system may refuse packets (REFUSED), and then the APC, too (FAILED): it has no means at all.
 * What such a wake was for may wait until the next thread with news, which LATE is. A dequeue returns
 * for OTHERS' packets as well, and leaves the wake's in the port; the loop goes over to another
 * thread (MOVES). A wait without a limit stands for all: those with one only end earlier.
 *
 *   in the model      in src
 *   post              ioc_inbox_post and ioc_async_notify, which push and wake
 *   stop              ioc_inbox_stop
 *   enter, leave      inbox__enter, inbox__leave
 *   wake              inbox__wake
 *   send_wake         inbox__send_wake, ioc_port_wake
 *   without_packet    port__wake_without_packet, port__send_apc
 *   give_back         ioc_port_return
 *   fall_asleep       ioc_inbox_fall_asleep
 *   time_limit        port__time_limit, port__note_thread, port__take_owed_wake
 *   dequeue           GetQueuedCompletionStatusEx, as ioc_port_dequeue calls it; port__take_returned
 *   awake             ioc_inbox_awake
 *   serve             ioc_inbox_run
 *   turn              loop__turn, loop__sleep_until, loop__dequeue
 *   Loop              ioc_loop_run; ioc_loop_destroy, loop__is_drained, ioc_port_deinit
 */

#ifndef POSTERS
#define POSTERS 2 /* threads that post once */
#endif
#ifndef STOPPERS
#define STOPPERS 0 /* threads that stop the loop; none or one */
#endif
#ifndef GUESTS
#define GUESTS 0 /* threads of the pool that give an operation back without a packet */
#endif
#ifndef LATE
#define LATE 0 /* a thread that posts once all others are done */
#endif
#ifndef REFUSED
#define REFUSED 0
#endif
#ifndef FAILED
#define FAILED 0
#endif
#ifndef OTHERS
#define OTHERS 0
#endif
#ifndef MOVES
#define MOVES 0
#endif
#ifndef MILLISECONDS
#define MILLISECONDS 1 /* of the loop, that a thread in the gate may let pass and do nothing */
#endif
#ifndef EARLY
#define EARLY 0 /* 1: the loop may be ended at any time; an async holds it until the threads are done */
#endif

/* The safeguards that can be taken out. */
#define LOOKS_AT_THE_STATE_BEFORE_IT_PUSHES   1
#define LOOKS_FOR_NEWS_BEFORE_IT_SAYS_SO      2
#define DOES_NOT_LOOK_FOR_A_STOP              3
#define SENDS_WHENEVER_ASLEEP                 4
#define FINDS_WAKING_AND_SAYS_NOTHING         5
#define STAYS_WAKING_WITHOUT_A_PACKET         6
#define FORGETS_WHO_RELIED_ON_IT              7
#define FORGETS_WHO_RELIED_ON_IT_IF_IT_FAILED 8
#define OWES_NOTHING                          9
#define OWES_AFTER_THE_APC                    10
#define READS_WHAT_IS_OWED_FIRST              11
#define WAKES_WITH_A_PACKET_IN_FLIGHT         12
#define KEEPS_THE_STATE_WITH_ITS_PACKET       13
#define LEAVES_THE_GATE_BEFORE_IT_WAKES       14
#define LOOKS_AT_THE_GATE_AFTER_THE_NEWS      15
#define READS_THE_GATE_AND_THEN_ENTERS        16
#define STOPS_OUTSIDE_THE_GATE                17
#define DOES_NOT_WAIT_FOR_GUESTS              18
#define GIVES_BACK_WITHOUT_A_WAKE             19
#ifndef VARIANT
#define VARIANT 0
#endif

#define THREADS (POSTERS + STOPPERS + GUESTS + LATE)

/* Nothing is left that the program runs its loop for. */
#define IS_FINISHED (ran == POSTERS + LATE && pending == 0 && was_stopped == STOPPERS)

mtype = { AWAKE, ASLEEP, WAKING, WAKING_AGAIN };
mtype = { BY_PACKET, DIRECT, NO_MEANS };

/* ioc_inbox */
mtype wake_state = AWAKE;
byte news;
bool is_stopped;
byte inside;
bool is_shut;
/* ioc_win_port */
bool is_wake_owed;
byte thread; /* 0: nobody */
byte returned;
byte guests;
/* The system */
byte wakes; /* packets of ours in the port */
bool apc[3]; /* in the queue of each thread */
byte refused = REFUSED;
byte failed = FAILED;
byte others = OTHERS;
byte moves = MOVES;
byte milliseconds = MILLISECONDS;
/* What came of it */
byte accepted;
byte ran;
bool was_stopped;
byte pending = GUESTS;
byte done;
bool is_freed;

#define TOUCH assert(!is_freed)

/* ---- Any thread. Each step is one access to what is shared. ---- */

inline leave()
{
    atomic { TOUCH; inside-- }
}

/* is_in: whether the thread was let in. */
inline enter()
{
#if VARIANT == READS_THE_GATE_AND_THEN_ENTERS
    atomic { TOUCH; is_in = !is_shut };
    if
    :: is_in -> atomic { TOUCH; inside++ }
    :: else
    fi
#else
    atomic { TOUCH; inside++; is_in = !is_shut };
    if
    :: !is_in -> leave()
    :: else
    fi
#endif
}

inline owe()
{
    atomic { TOUCH; is_wake_owed = true }
}

/* how: whether it was sent. Under the lock of the thread. */
inline send_apc()
{
    atomic {
        TOUCH;
        if
        :: thread != 0 -> apc[thread] = true; how = DIRECT
        :: thread == 0 -> how = NO_MEANS
        :: failed > 0 -> failed--; how = NO_MEANS
        fi
    }
}

inline without_packet()
{
#if VARIANT == OWES_NOTHING
    send_apc()
#elif VARIANT == OWES_AFTER_THE_APC
    send_apc();
    owe()
#else
    owe();
    send_apc()
#endif
}

inline send_packet()
{
    atomic {
        TOUCH;
        if
        :: wakes++; assert(wakes <= 1); how = BY_PACKET
        :: refused > 0 -> refused--; how = NO_MEANS
        fi
    };
    if
    :: how != BY_PACKET -> without_packet()
    :: else
    fi
}

/* has_changed: whether it was so. */
inline change(from, to)
{
    atomic {
        TOUCH;
        has_changed = (wake_state == from);
        wake_state = (has_changed -> to : wake_state)
    }
}

inline give_up()
{
    atomic { TOUCH; wake_state = ASLEEP };
    break
}

inline send_wake()
{
    do
    :: send_packet();
       if
       :: how == BY_PACKET -> break
#if VARIANT == STAYS_WAKING_WITHOUT_A_PACKET
       :: else -> break
#elif VARIANT == FORGETS_WHO_RELIED_ON_IT
       :: else -> give_up()
#elif VARIANT == FORGETS_WHO_RELIED_ON_IT_IF_IT_FAILED
       :: how == NO_MEANS -> give_up()
       :: how == DIRECT
#else
       :: else
#endif
       fi;
       change(WAKING, ASLEEP);
       if
       :: has_changed -> break
       :: else
       fi;
       change(WAKING_AGAIN, WAKING);
       assert(has_changed)
    od
}

inline look()
{
    atomic { TOUCH; seen = wake_state }
}

/* Goes by what was seen. */
inline wake()
{
    do
    :: seen == ASLEEP ->
#if VARIANT == SENDS_WHENEVER_ASLEEP
       send_packet();
       break
#else
       change(ASLEEP, WAKING);
       if
       :: has_changed -> send_wake(); break
       :: else -> look()
       fi
#endif
    :: seen == WAKING ->
#if VARIANT == FINDS_WAKING_AND_SAYS_NOTHING
       break
#else
       change(WAKING, WAKING_AGAIN);
       if
       :: has_changed -> break
       :: else -> look()
       fi
#endif
    :: seen == AWAKE || seen == WAKING_AGAIN -> break
    od
}

inline push()
{
    atomic { TOUCH; news++; accepted++ }
}

inline post()
{
    enter();
    if
    :: is_in ->
#if VARIANT == LOOKS_AT_THE_STATE_BEFORE_IT_PUSHES
       look();
       push();
       wake();
       leave()
#elif VARIANT == LEAVES_THE_GATE_BEFORE_IT_WAKES
       push();
       leave();
       look();
       wake()
#else
       push();
       look();
       wake();
       leave()
#endif
    :: else
    fi
}

inline set_stopped()
{
    atomic { TOUCH; is_stopped = true }
}

inline stop()
{
#if VARIANT == STOPS_OUTSIDE_THE_GATE
    set_stopped();
#endif
    enter();
    if
    :: is_in -> set_stopped(); look(); wake(); leave()
    :: else
    fi
}

inline give_back()
{
    atomic { TOUCH; guests++ };
    atomic { TOUCH; returned++ };
#if VARIANT != GIVES_BACK_WITHOUT_A_WAKE
    without_packet();
#endif
    atomic { TOUCH; guests-- }
}

#if POSTERS
active [POSTERS] proctype Poster()
{
    mtype seen, how;
    bool has_changed, is_in;
    post();
    done++
}
#endif

#if STOPPERS
active proctype Stopper()
{
    mtype seen, how;
    bool has_changed, is_in;
    stop();
    done++
}
#endif

#if GUESTS
active [GUESTS] proctype Guest()
{
    mtype how;
    give_back();
    done++
}
#endif

#if LATE
active proctype Late()
{
    mtype seen, how;
    bool has_changed, is_in;
    atomic { done == THREADS - 1 -> refused = 0; failed = 0 };
    post();
    done++
}
#endif

/* ---- The loop ---- */

#define IS_STOPPED (is_stopped && !is_shut)

inline look_for_news()
{
    may_sleep = (news == 0);
#if VARIANT != DOES_NOT_LOOK_FOR_A_STOP
    may_sleep = may_sleep && !IS_STOPPED
#endif
}

inline fall_asleep()
{
#if VARIANT == LOOKS_FOR_NEWS_BEFORE_IT_SAYS_SO
    look_for_news();
    change(AWAKE, ASLEEP);
#else
    change(AWAKE, ASLEEP);
    look_for_news();
#endif
    if
    :: !may_sleep -> change(ASLEEP, AWAKE)
    :: else
    fi
}

inline take_owed_wake()
{
    atomic { may_sleep = !is_wake_owed; is_wake_owed = false }
}

inline time_limit()
{
#if VARIANT == READS_WHAT_IS_OWED_FIRST
    take_owed_wake();
    thread = me;
#else
    thread = me;
    take_owed_wake();
#endif
    may_sleep = may_sleep && returned == 0
}

/* With what is there, whatever that is; without anything it sleeps, if it may. */
inline dequeue()
{
    atomic {
        if
        :: wakes > 0 -> wakes = 0; woken = true
        :: others > 0 -> others--; woken = false
        :: apc[me] -> apc[me] = false; woken = false
        /* Threads that leave the gate send nothing, and are looked for every millisecond. */
        :: is_shut && pending == 0 && (inside == 0 || milliseconds > 0) ->
           milliseconds = (milliseconds > 0 -> milliseconds - 1 : 0);
           woken = false
        :: !may_sleep && wakes == 0 && !apc[me] -> woken = false
        fi
    };
    atomic { pending = pending - returned; returned = 0 }
}

inline awake()
{
#if VARIANT == WAKES_WITH_A_PACKET_IN_FLIGHT
    wake_state = AWAKE;
#elif VARIANT != KEEPS_THE_STATE_WITH_ITS_PACKET
    wake_state = (woken -> AWAKE : wake_state);
#endif
    change(ASLEEP, AWAKE)
}

inline serve()
{
    do
    :: atomic { news > 0 && !IS_STOPPED -> news--; ran++ }
    :: else -> break
    od
}

inline look_whether_drained()
{
#if VARIANT == LOOKS_AT_THE_GATE_AFTER_THE_NEWS
    is_drained = (news == 0 && pending == 0);
    is_drained = is_drained && inside == 0
#else
    is_drained = (inside == 0);
    is_drained = is_drained && news == 0 && pending == 0
#endif
}

inline turn()
{
    serve();
    may_sleep = (news == 0 && (is_shut || !IS_FINISHED));
    if
    :: may_sleep ->
       fall_asleep();
       if
       :: may_sleep -> time_limit()
       :: else
       fi
    :: else
    fi;
    if
    :: !may_sleep && wake_state == AWAKE && pending == 0 /* which leaves the port alone */
    :: else -> dequeue(); awake()
    fi;
    serve()
}

active proctype Loop()
{
    bool has_changed, may_sleep, woken, is_drained;
    byte me = 1;
    do
    :: atomic { IS_STOPPED -> is_stopped = false; was_stopped = true }
    :: atomic { moves > 0 -> moves--; me = 3 - me }
    :: IS_FINISHED || EARLY -> break
    :: !IS_FINISHED && !IS_STOPPED -> turn()
    od;
    is_shut = true;
    look_whether_drained();
    do
    :: is_drained -> break
    :: else -> turn(); look_whether_drained()
    od;
#if VARIANT != DOES_NOT_WAIT_FOR_GUESTS
    guests == 0;
#endif
    !EARLY || done == THREADS;
    atomic { assert(ran == accepted); is_freed = true }
}

ltl ends { <> (is_freed && done == THREADS) }
