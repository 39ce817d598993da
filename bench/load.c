/*
 * An AMQP 0-9-1 load generator over raw sockets.
 *
 * It measures the broker and hardly itself: what it publishes is encoded before the clock starts and
 * sent in blocks of up to 64 KiB, what it receives is read in place. Every producer and every
 * consumer is a thread with a connection and a channel of its own.
 *
 *     cc -std=c11 -O2 -pthread -o load load.c && ./load --port 5672 --size 100 --confirm 1000
 *
 * Prints one line of key=value. Rates are messages per second, latencies (_us) microseconds, cpu_s is
 * the processor time of the generator itself. README.md says what the numbers mean. Exit status: 0
 * measured, 1 the broker failed or refused, 2 wrong options.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- numbers of the protocol (AMQP 0-9-1, 2.3.5 and 4.2) ---- */

enum { FRAME_METHOD = 1, FRAME_HEADER = 2, FRAME_BODY = 3, FRAME_END = 0xCE };
enum { FRAME_PREFIX = 7, FRAME_OVERHEAD = 8 }; /* type, channel, size; and the end octet */
enum { NO_CHANNEL = 0, CHANNEL = 1 };

#define METHOD(class_id, method_id) ((uint32_t)(class_id) << 16 | (method_id))
enum {
    CONNECTION_START = METHOD(10, 10), CONNECTION_START_OK = METHOD(10, 11),
    CONNECTION_TUNE = METHOD(10, 30), CONNECTION_TUNE_OK = METHOD(10, 31),
    CONNECTION_OPEN = METHOD(10, 40), CONNECTION_OPEN_OK = METHOD(10, 41),
    CONNECTION_CLOSE = METHOD(10, 50), CONNECTION_CLOSE_OK = METHOD(10, 51),
    CHANNEL_OPEN = METHOD(20, 10), CHANNEL_OPEN_OK = METHOD(20, 11),
    CHANNEL_CLOSE = METHOD(20, 40),
    EXCHANGE_DECLARE = METHOD(40, 10), EXCHANGE_DECLARE_OK = METHOD(40, 11),
    EXCHANGE_DELETE = METHOD(40, 20), EXCHANGE_DELETE_OK = METHOD(40, 21),
    QUEUE_DECLARE = METHOD(50, 10), QUEUE_DECLARE_OK = METHOD(50, 11),
    QUEUE_BIND = METHOD(50, 20), QUEUE_BIND_OK = METHOD(50, 21),
    QUEUE_DELETE = METHOD(50, 40), QUEUE_DELETE_OK = METHOD(50, 41),
    BASIC_QOS = METHOD(60, 10), BASIC_QOS_OK = METHOD(60, 11),
    BASIC_CONSUME = METHOD(60, 20), BASIC_CONSUME_OK = METHOD(60, 21),
    BASIC_CANCEL = METHOD(60, 30),
    BASIC_PUBLISH = METHOD(60, 40), BASIC_DELIVER = METHOD(60, 60),
    BASIC_GET = METHOD(60, 70), BASIC_GET_OK = METHOD(60, 71),
    BASIC_ACK = METHOD(60, 80), BASIC_NACK = METHOD(60, 120),
    CONFIRM_SELECT = METHOD(85, 10), CONFIRM_SELECT_OK = METHOD(85, 11),
};
enum { CLASS_BASIC = 60, PROPERTY_HEADERS = 0x2000, PROPERTY_DELIVERY_MODE = 0x1000,
       PROPERTY_PRIORITY = 0x0800, PROPERTY_EXPIRATION = 0x0100 };
enum { QUEUE_PASSIVE = 1, QUEUE_DURABLE = 2, CONSUME_NO_ACK = 2, GET_NO_ACK = 1, ACK_MULTIPLE = 1 };

/* ---- sizes and times of the generator ---- */

enum {
    FRAME_MAX = 131072,       /* what RabbitMQ proposes; a broker that proposes less gets its way */
    READ_BUFFER = 512 * 1024, /* holds several of the largest frames */
    METHOD_SPACE = 2048,      /* enough for any method: at most four short strings of 255 */
    ARGUMENTS_MAX = 4,        /* of a queue, of 255 bytes at most each */
    ACK_SPACE = 64 * 1024,
    BLOCK_BYTES = 64 * 1024,  /* published per system call, ... */
    BLOCK_MESSAGES = 512,     /* ... at most this many messages, ... */
    BLOCKS_PER_SECOND = 1000, /* ... and with --rate one block a millisecond */
    VARIETY = 1000,           /* messages that differ (in priority, delay, routing key) before they repeat */
    TIMESTAMP_BYTES = 8,      /* a body starts with the time it was sent, if it has room for it */
    READ_TIMEOUT_MS = 100,    /* how soon a thread with nothing to read notices that it should end */
    ANSWER_TIMEOUT_S = 30,    /* a broker that is silent for longer has failed */
    WARM_UP_MS = 500,         /* sent and consumed, but not counted */
};
#define NS_PER_S 1000000000ull

/* ---- options ---- */

enum ack_mode { ACK_NONE, ACK_MULTIPLE_EVERY, ACK_SINGLE };

static const char *option_host = "127.0.0.1", *option_ack = "multiple", *option_queue_type;
static const char *option_exchange, *option_queue, *option_routing_keys, *option_header;
static const char *option_arguments[ARGUMENTS_MAX + 1], *option_stream_offset, *option_expiration;
static long option_port = 5672, option_size = 100, option_secs = 5, option_producers = 1, option_consumers = 1;
static long option_queues = 1, option_ackevery = 50, option_prefetch = 1000, option_confirm, option_rate;
static long option_total, option_persistent, option_fanout, option_topic, option_keep, option_drain;
static long option_consistent_hash, option_delay, option_priorities, option_dead_letter, option_rejecters;
static long option_expire;
static enum ack_mode ack_mode;

enum option_kind { NUMBER, FLAG, TEXT, TEXTS };
static const struct option_row {
    const char *name;
    enum option_kind kind;
    void *value; /* long * for NUMBER and FLAG, const char ** for TEXT and TEXTS (the first of several) */
    const char *help;
} OPTIONS[] = {
    {"host", TEXT, &option_host, "IPv4 address of the broker"},
    {"port", NUMBER, &option_port, "port of the broker"},
    {"size", NUMBER, &option_size, "bytes of a message body"},
    {"secs", NUMBER, &option_secs, "seconds to measure; with --total the longest wait for the consumers"},
    {"producers", NUMBER, &option_producers, "publishing connections"},
    {"consumers", NUMBER, &option_consumers, "consuming connections"},
    {"queues", NUMBER, &option_queues, "queues; producer and consumer n use queue n modulo this"},
    {"ack", TEXT, &option_ack, "none, multiple (every --ackevery messages) or single (every message by itself)"},
    {"ackevery", NUMBER, &option_ackevery, "messages one multiple ack settles"},
    {"prefetch", NUMBER, &option_prefetch, "unacknowledged messages a consumer may hold, 0 for any number"},
    {"confirm", NUMBER, &option_confirm, "publisher confirms with this many messages unconfirmed at most"},
    {"persistent", FLAG, &option_persistent, "persistent messages in durable queues"},
    {"rate", NUMBER, &option_rate, "messages published per second by all producers, 0 for as many as possible"},
    {"fanout", FLAG, &option_fanout, "publish to a fanout exchange, all queues bound"},
    {"topic", FLAG, &option_topic, "publish a.b.c.d to a topic exchange, all queues bound with a.*.c.#"},
    {"total", NUMBER, &option_total, "publish this many messages instead of publishing for --secs"},
    {"keep", FLAG, &option_keep, "leave queues and messages behind"},
    {"drain", FLAG, &option_drain, "consume --total messages that --keep left behind; no producers"},
    {"queue-type", TEXT, &option_queue_type, "x-queue-type of the queues, durable then"},
    {"exchange", TEXT, &option_exchange, "publish to this exchange; declare and delete nothing"},
    {"queue", TEXT, &option_queue, "with --exchange: consume from this queue"},
    {"routing-keys", TEXT, &option_routing_keys, "with --exchange: file of routing keys used in turn, one a line"},
    {"header", TEXT, &option_header, "NAME=VALUE: a header for every message"},
    {"argument", TEXTS, option_arguments, "NAME=VALUE: an argument of the queues, up to four times"},
    {"consistent-hash", FLAG, &option_consistent_hash, "publish 1000 routing keys in turn to such an exchange"},
    {"delay", NUMBER, &option_delay, "publish to an x-delayed-message exchange, with a delay of 1 to this many ms"},
    {"priorities", NUMBER, &option_priorities, "messages have a priority, at random, of 0 to this less 1"},
    {"expiration", TEXT, &option_expiration, "expiration property of every message, milliseconds"},
    {"dead-letter", FLAG, &option_dead_letter, "what dies goes to a second queue, which the consumers consume"},
    {"rejecters", NUMBER, &option_rejecters, "connections that consume as --ack says, but refuse every message"},
    {"expire", FLAG, &option_expire, "let --total messages expire together, and time that"},
    {"stream-offset", TEXT, &option_stream_offset, "x-stream-offset of the consumers"},
};
enum { OPTION_COUNT = sizeof OPTIONS / sizeof OPTIONS[0] };

/* ---- what the threads share ---- */

/* Latencies: exact to the microsecond below 512, 128 buckets to a power of two above (under 1% off). */
enum { EXACT_US = 512, EXACT_BITS = 9, STEP_BITS = 7, STEPS = 1 << STEP_BITS, BUCKETS = 4096 };

struct worker {
    pthread_t thread;
    long index;
    atomic_long published, confirmed, refused, consumed;
    _Atomic uint64_t finished_ns; /* a producer's last confirm, a consumer's last message */
    uint64_t latencies[BUCKETS];
};

/* Passed twice by every thread: when all are connected, and when all consumers are subscribed. */
static pthread_barrier_t all_ready;
static atomic_bool measuring, stop_producers, stop_consumers;

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static void sleep_until(uint64_t due_ns)
{
    struct timespec due = {(time_t)(due_ns / NS_PER_S), (long)(due_ns % NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR) {
    }
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

/* A system call failed: errno says why. */
static _Noreturn void fail_system(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory)
        fail("out of memory");
    return memory;
}

/* ---- encoding ---- */

static uint32_t get16(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }
static uint32_t get32(const uint8_t *at) { return get16(at) << 16 | get16(at + 2); }
static uint64_t get64(const uint8_t *at) { return (uint64_t)get32(at) << 32 | get32(at + 4); }

struct writer {
    uint8_t *at;
    uint8_t *frame; /* where the frame being written starts */
};

static void put8(struct writer *out, uint32_t value) { *out->at++ = (uint8_t)value; }
static void put16(struct writer *out, uint32_t value) { put8(out, value >> 8), put8(out, value); }
static void put32(struct writer *out, uint32_t value) { put16(out, value >> 16), put16(out, value); }
static void put64(struct writer *out, uint64_t value)
{
    put32(out, (uint32_t)(value >> 32));
    put32(out, (uint32_t)value);
}

static void put_bytes(struct writer *out, const void *bytes, size_t size)
{
    memcpy(out->at, bytes, size);
    out->at += size;
}

static void put_short_string(struct writer *out, const char *text)
{
    put8(out, (uint32_t)strlen(text));
    put_bytes(out, text, strlen(text));
}

static void put_empty_table(struct writer *out) { put32(out, 0); }

static uint8_t *begin_table(struct writer *out)
{
    uint8_t *start = out->at;
    put32(out, 0);
    return start;
}

static void end_table(struct writer *out, uint8_t *start)
{
    struct writer size = {start, NULL};
    put32(&size, (uint32_t)(out->at - start - 4));
}

static void put_text_entry(struct writer *out, const char *name, const char *value)
{
    put_short_string(out, name);
    put8(out, 'S');
    put32(out, (uint32_t)strlen(value));
    put_bytes(out, value, strlen(value));
}

static void put_number_entry(struct writer *out, const char *name, long value)
{
    put_short_string(out, name);
    put8(out, 'l');
    put64(out, (uint64_t)value);
}

/* A number if it looks like one, otherwise a text. */
static void put_entry(struct writer *out, const char *name, const char *value)
{
    if (*value && !value[strspn(value, "0123456789")])
        put_number_entry(out, name, strtol(value, NULL, 10));
    else
        put_text_entry(out, name, value);
}

/* The value in NAME=VALUE; the name is copied. */
static const char *split_assignment(const char *text, char name[256])
{
    const char *value = strchr(text, '=') + 1;
    snprintf(name, 256, "%.*s", (int)(value - 1 - text), text);
    return value;
}

static void begin_frame(struct writer *out, uint32_t type, uint32_t channel)
{
    out->frame = out->at;
    put8(out, type);
    put16(out, channel);
    put32(out, 0);
}

static void end_frame(struct writer *out)
{
    struct writer size = {out->frame + 3, NULL};
    put32(&size, (uint32_t)(out->at - out->frame - FRAME_PREFIX));
    put8(out, FRAME_END);
}

static struct writer begin_method(uint8_t *space, uint32_t channel, uint32_t method)
{
    struct writer out = {space, NULL};
    begin_frame(&out, FRAME_METHOD, channel);
    put32(&out, method);
    return out;
}

/* ---- connection ---- */

struct connection {
    int fd;
    uint32_t frame_max;
    uint8_t *buffer;
    size_t start, end; /* what has been received and not yet read */
};

struct frame {
    uint32_t type, size;
    uint32_t method; /* of a method frame, otherwise 0 */
    const uint8_t *payload;
};

static inline bool next_frame(struct connection *connection, struct frame *frame)
{
    size_t held = connection->end - connection->start;
    const uint8_t *at = connection->buffer + connection->start;
    if (held < FRAME_PREFIX)
        return false;
    frame->size = get32(at + 3);
    if (frame->size > READ_BUFFER - FRAME_OVERHEAD)
        fail("a frame larger than agreed");
    if (held < frame->size + FRAME_OVERHEAD)
        return false;
    frame->type = at[0];
    frame->payload = at + FRAME_PREFIX;
    frame->method = frame->type == FRAME_METHOD ? get32(frame->payload) : 0;
    if (frame->payload[frame->size] != FRAME_END)
        fail("a frame without its end octet");
    connection->start += frame->size + FRAME_OVERHEAD;
    return true;
}

/* Wait for bytes, READ_TIMEOUT_MS at most; false when none came. */
static bool receive(struct connection *connection)
{
    size_t held = connection->end - connection->start;
    if (!held || connection->end > READ_BUFFER / 2) { /* what is held is a part of one frame */
        memmove(connection->buffer, connection->buffer + connection->start, held);
        connection->start = 0;
        connection->end = held;
    }
    ssize_t size = recv(connection->fd, connection->buffer + connection->end, READ_BUFFER - connection->end, 0);
    if (size == 0)
        fail("the broker ended the connection");
    if (size < 0 && errno != EAGAIN && errno != EINTR)
        fail_system("cannot read from the broker");
    if (size > 0)
        connection->end += (size_t)size;
    return size > 0;
}

/* End with the broker's words if the frame is a connection.close or channel.close. */
static void refuse_close(const struct frame *frame)
{
    if (frame->method != CONNECTION_CLOSE && frame->method != CHANNEL_CLOSE)
        return;
    const uint8_t *arguments = frame->payload + 4; /* reply code, reply text, ... */
    fprintf(stderr, "load: the broker closed: %u %.*s\n", get16(arguments), (int)arguments[2],
            (const char *)arguments + 3);
    exit(1);
}

/* Read up to this method and return its arguments; other frames are dropped. */
static const uint8_t *await_method_until(struct connection *connection, uint32_t method, uint64_t deadline)
{
    struct frame frame;
    while (now_ns() < deadline) {
        while (next_frame(connection, &frame)) {
            if (frame.method == method)
                return frame.payload + 4;
            refuse_close(&frame);
        }
        receive(connection);
    }
    fail("the broker does not answer");
}

static const uint8_t *await_method(struct connection *connection, uint32_t method)
{
    return await_method_until(connection, method, now_ns() + ANSWER_TIMEOUT_S * NS_PER_S);
}

static void send_all(struct connection *connection, const uint8_t *bytes, size_t size)
{
    while (size) {
        ssize_t sent = send(connection->fd, bytes, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
            await_method(connection, CONNECTION_CLOSE_OK); /* never comes, but the reason may have */
        if (sent < 0)
            fail_system("the broker does not read");
        bytes += sent;
        size -= (size_t)sent;
    }
}

static void send_method(struct connection *connection, uint8_t *space, struct writer *out)
{
    end_frame(out);
    send_all(connection, space, (size_t)(out->at - space));
}

static void connect_socket(struct connection *connection)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)option_port)};
    struct timeval read_timeout = {0, READ_TIMEOUT_MS * 1000}, send_timeout = {ANSWER_TIMEOUT_S, 0};
    int on = 1;
    if (inet_pton(AF_INET, option_host, &address.sin_addr) != 1)
        fail("--host must be an IPv4 address");
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof address))
        fail_system("cannot connect");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &read_timeout, sizeof read_timeout);
    setsockopt(connection->fd, SOL_SOCKET, SO_SNDTIMEO, &send_timeout, sizeof send_timeout);
}

/* Agree to what connection.tune proposes, except for larger frames and for heartbeats. */
static void tune(struct connection *connection)
{
    uint8_t space[METHOD_SPACE];
    const uint8_t *proposed = await_method(connection, CONNECTION_TUNE);
    uint32_t channel_max = get16(proposed), frame_max = get32(proposed + 2);
    connection->frame_max = frame_max && frame_max < FRAME_MAX ? frame_max : FRAME_MAX;
    struct writer out = begin_method(space, NO_CHANNEL, CONNECTION_TUNE_OK);
    put16(&out, channel_max);
    put32(&out, connection->frame_max);
    put16(&out, 0);
    send_method(connection, space, &out);
}

/* A connection of guest to "/" with channel 1 open. */
static void open_connection(struct connection *connection)
{
    static const char response[] = "\0guest\0guest"; /* SASL PLAIN */
    uint8_t space[METHOD_SPACE];
    connection->buffer = allocate(1, READ_BUFFER);
    connection->start = connection->end = 0;
    connect_socket(connection);
    send_all(connection, (const uint8_t *)"AMQP\0\0\x09\x01", 8);
    await_method(connection, CONNECTION_START);
    struct writer out = begin_method(space, NO_CHANNEL, CONNECTION_START_OK);
    put_empty_table(&out);
    put_short_string(&out, "PLAIN");
    put32(&out, sizeof response - 1);
    put_bytes(&out, response, sizeof response - 1);
    put_short_string(&out, "en_US");
    send_method(connection, space, &out);
    tune(connection);
    out = begin_method(space, NO_CHANNEL, CONNECTION_OPEN);
    put_short_string(&out, "/");
    put_short_string(&out, "");
    put8(&out, 0);
    send_method(connection, space, &out);
    await_method(connection, CONNECTION_OPEN_OK);
    out = begin_method(space, CHANNEL, CHANNEL_OPEN);
    put_short_string(&out, "");
    send_method(connection, space, &out);
    await_method(connection, CHANNEL_OPEN_OK);
}

/* Close in order, so that the broker has handled everything sent before. */
static void close_connection(struct connection *connection)
{
    uint8_t space[METHOD_SPACE];
    struct writer out = begin_method(space, NO_CHANNEL, CONNECTION_CLOSE);
    put16(&out, 200);
    put_short_string(&out, "");
    put32(&out, 0);
    send_method(connection, space, &out);
    await_method(connection, CONNECTION_CLOSE_OK);
    close(connection->fd);
    free(connection->buffer);
}

/* ---- queues and exchanges ---- */

static const char *own_exchange(void)
{
    return option_fanout            ? "load.fanout"
           : option_topic           ? "load.topic"
           : option_consistent_hash ? "load.hash"
           : option_delay           ? "load.delayed"
                                    : "";
}

static const char *own_exchange_type(void)
{
    return option_fanout            ? "fanout"
           : option_topic           ? "topic"
           : option_consistent_hash ? "x-consistent-hash"
                                    : "x-delayed-message";
}

static void queue_name(char *name, size_t size, long index)
{
    if (option_queue)
        snprintf(name, size, "%s", option_queue);
    else
        snprintf(name, size, "load.queue.%ld", index % option_queues);
}

/* Where what dies in a queue goes with --dead-letter. */
static void dead_queue_name(char *name, size_t size, long index)
{
    snprintf(name, size, "load.dead.%ld", index % option_queues);
}

static void declare_exchange(struct connection *connection)
{
    uint8_t space[METHOD_SPACE];
    struct writer out = begin_method(space, CHANNEL, EXCHANGE_DECLARE);
    put16(&out, 0);
    put_short_string(&out, own_exchange());
    put_short_string(&out, own_exchange_type());
    put8(&out, 0);
    uint8_t *table = begin_table(&out);
    if (option_delay)
        put_text_entry(&out, "x-delayed-type", "direct");
    end_table(&out, table);
    send_method(connection, space, &out);
    await_method(connection, EXCHANGE_DECLARE_OK);
}

static void put_queue_arguments(struct writer *out, const char *dead_queue)
{
    uint8_t *table = begin_table(out);
    char name[256];
    if (option_queue_type)
        put_text_entry(out, "x-queue-type", option_queue_type);
    if (dead_queue) {
        put_text_entry(out, "x-dead-letter-exchange", "");
        put_text_entry(out, "x-dead-letter-routing-key", dead_queue);
    }
    for (const char **argument = option_arguments; *argument; argument++) {
        const char *value = split_assignment(*argument, name);
        put_entry(out, name, value);
    }
    end_table(out, table);
}

static void declare_queue(struct connection *connection, long index)
{
    uint8_t space[METHOD_SPACE];
    char queue[256], dead_queue[256];
    queue_name(queue, sizeof queue, index);
    dead_queue_name(dead_queue, sizeof dead_queue, index);
    struct writer out = begin_method(space, CHANNEL, QUEUE_DECLARE);
    put16(&out, 0);
    put_short_string(&out, queue);
    put8(&out, option_persistent || option_queue_type ? QUEUE_DURABLE : 0);
    put_queue_arguments(&out, option_dead_letter ? dead_queue : NULL);
    send_method(connection, space, &out);
    await_method(connection, QUEUE_DECLARE_OK);
}

/* A classic queue without arguments. */
static void declare_dead_queue(struct connection *connection, long index)
{
    uint8_t space[METHOD_SPACE];
    char queue[256];
    dead_queue_name(queue, sizeof queue, index);
    struct writer out = begin_method(space, CHANNEL, QUEUE_DECLARE);
    put16(&out, 0);
    put_short_string(&out, queue);
    put8(&out, option_persistent || option_queue_type ? QUEUE_DURABLE : 0);
    put_empty_table(&out);
    send_method(connection, space, &out);
    await_method(connection, QUEUE_DECLARE_OK);
}

static void bind_queue(struct connection *connection, const char *queue)
{
    uint8_t space[METHOD_SPACE];
    struct writer out = begin_method(space, CHANNEL, QUEUE_BIND);
    put16(&out, 0);
    put_short_string(&out, queue);
    put_short_string(&out, own_exchange());
    put_short_string(&out, option_topic             ? "a.*.c.#"
                           : option_consistent_hash ? "1" /* its weight */
                           : option_delay           ? queue
                                                    : "");
    put8(&out, 0);
    put_empty_table(&out);
    send_method(connection, space, &out);
    await_method(connection, QUEUE_BIND_OK);
}

/* queue.delete and exchange.delete have the same arguments. */
static void delete_named(struct connection *connection, uint32_t method, uint32_t answer, const char *name)
{
    uint8_t space[METHOD_SPACE];
    struct writer out = begin_method(space, CHANNEL, method);
    put16(&out, 0);
    put_short_string(&out, name);
    put8(&out, 0);
    send_method(connection, space, &out);
    await_method(connection, answer);
}

static void delete_topology(struct connection *connection)
{
    char queue[256];
    for (long index = 0; index < option_queues; index++) {
        queue_name(queue, sizeof queue, index);
        delete_named(connection, QUEUE_DELETE, QUEUE_DELETE_OK, queue);
        if (!option_dead_letter)
            continue;
        dead_queue_name(queue, sizeof queue, index);
        delete_named(connection, QUEUE_DELETE, QUEUE_DELETE_OK, queue);
    }
    if (*own_exchange())
        delete_named(connection, EXCHANGE_DELETE, EXCHANGE_DELETE_OK, own_exchange());
}

static void declare_topology(struct connection *connection)
{
    char queue[256];
    if (*own_exchange())
        declare_exchange(connection);
    for (long index = 0; index < option_queues; index++) {
        if (option_dead_letter)
            declare_dead_queue(connection, index);
        declare_queue(connection, index);
        queue_name(queue, sizeof queue, index);
        if (*own_exchange())
            bind_queue(connection, queue);
    }
}

/* ---- messages, encoded beforehand ---- */

/* Messages one behind the other, sent in blocks, over and over. */
struct train {
    uint8_t *bytes;
    size_t *offset; /* where message n starts; one more for the end */
    size_t *body;   /* where the body of message n starts */
    long count;     /* messages in the train */
    long block;     /* messages sent at once */
    long at;        /* the message to send next */
};

struct keys {
    char **key;
    long count;
};

static struct keys many_keys(void)
{
    struct keys keys = {allocate(VARIETY, sizeof(char *)), 0};
    char name[32];
    while (keys.count < VARIETY) {
        snprintf(name, sizeof name, "key.%ld", keys.count);
        keys.key[keys.count++] = strdup(name);
    }
    return keys;
}

/* The lines of the --routing-keys file, many for --consistent-hash, or the one key of this producer. */
static struct keys routing_keys(long producer)
{
    if (option_consistent_hash)
        return many_keys();
    struct keys keys = {allocate(1, sizeof(char *)), 0};
    char *line = NULL, name[256];
    size_t space = 0;
    if (!option_routing_keys) {
        queue_name(name, sizeof name, producer);
        keys.key[keys.count++] = strdup(option_topic ? "a.b.c.d" : name);
        return keys;
    }
    FILE *file = fopen(option_routing_keys, "r");
    if (!file)
        fail_system(option_routing_keys);
    while (getline(&line, &space, file) > 0) {
        line[strcspn(line, "\n")] = 0;
        keys.key = realloc(keys.key, (size_t)(keys.count + 1) * sizeof(char *));
        if (!keys.key || strlen(line) > 255)
            fail("a routing key is longer than 255 bytes");
        keys.key[keys.count++] = strdup(line);
    }
    free(line);
    fclose(file);
    if (!keys.count)
        fail("no routing keys in the file");
    return keys;
}

/* A number from 0 to limit - 1 that looks random, the same in every run. */
static long scattered(long number, long limit)
{
    uint64_t mixed = (uint64_t)number * 0x9E3779B97F4A7C15ull;
    mixed = (mixed ^ mixed >> 32) * 0xBF58476D1CE4E5B9ull;
    return (long)((mixed >> 32) % (uint64_t)limit);
}

/* 1 to --delay milliseconds, 0 without. */
static long delay_ms(long number) { return option_delay ? 1 + scattered(number, option_delay) : 0; }

static void put_headers(struct writer *out, long number)
{
    uint8_t *table = begin_table(out);
    char name[256];
    if (option_header) {
        const char *value = split_assignment(option_header, name);
        put_text_entry(out, name, value);
    }
    if (option_delay)
        put_number_entry(out, "x-delay", delay_ms(number));
    end_table(out, table);
}

static void put_header(struct writer *out, long number)
{
    begin_frame(out, FRAME_HEADER, CHANNEL);
    put16(out, CLASS_BASIC);
    put16(out, 0);
    put64(out, (uint64_t)option_size);
    put16(out, PROPERTY_DELIVERY_MODE | (option_header || option_delay ? PROPERTY_HEADERS : 0) |
                   (option_priorities ? PROPERTY_PRIORITY : 0) | (option_expiration ? PROPERTY_EXPIRATION : 0));
    if (option_header || option_delay)
        put_headers(out, number);
    put8(out, option_persistent ? 2 : 1);
    if (option_priorities)
        put8(out, (uint32_t)scattered(number, option_priorities));
    if (option_expiration)
        put_short_string(out, option_expiration);
    end_frame(out);
}

/* Message `number` of a train: basic.publish, content header and body frames; returns where the body starts. */
static uint8_t *put_message(struct writer *out, const char *routing_key, long number, uint32_t frame_max)
{
    *out = (struct writer){out->at, NULL};
    begin_frame(out, FRAME_METHOD, CHANNEL);
    put32(out, BASIC_PUBLISH);
    put16(out, 0);
    put_short_string(out, option_exchange ? option_exchange : own_exchange());
    put_short_string(out, routing_key);
    put8(out, 0);
    end_frame(out);
    put_header(out, number);
    uint8_t *body = out->at + FRAME_PREFIX;
    for (size_t left = (size_t)option_size, size; left; left -= size) {
        size = left < frame_max - FRAME_OVERHEAD ? left : frame_max - FRAME_OVERHEAD;
        begin_frame(out, FRAME_BODY, CHANNEL);
        memset(out->at, 'x', size);
        out->at += size;
        end_frame(out);
    }
    return body;
}

static long block_messages(size_t message_bytes)
{
    long block = BLOCK_BYTES / (long)message_bytes;
    if (block > BLOCK_MESSAGES)
        block = BLOCK_MESSAGES;
    if (option_rate)
        block = option_rate / option_producers / BLOCKS_PER_SECOND;
    if (option_confirm && block > option_confirm)
        block = option_confirm; /* a block must fit the window */
    return block < 1 ? 1 : block;
}

static struct train build_train(long producer, uint32_t frame_max)
{
    struct keys keys = routing_keys(producer);
    size_t body_frames = (size_t)option_size / (frame_max - FRAME_OVERHEAD) + 1;
    size_t room = METHOD_SPACE + (size_t)option_size + body_frames * FRAME_OVERHEAD;
    uint8_t *sample = allocate(1, room);
    struct writer out = {sample, NULL};
    put_message(&out, keys.key[0], 0, frame_max);
    struct train train = {.block = block_messages((size_t)(out.at - sample))};
    free(sample);
    train.count = train.block < VARIETY && (option_priorities || option_delay) ? VARIETY : train.block;
    /* Every key as often as any other. */
    train.count = (train.count + keys.count - 1) / keys.count * keys.count;
    train.bytes = allocate((size_t)train.count, room);
    train.offset = allocate((size_t)train.count + 1, sizeof(size_t));
    train.body = allocate((size_t)train.count, sizeof(size_t));
    out.at = train.bytes;
    for (long message = 0; message < train.count; message++) {
        train.offset[message] = (size_t)(out.at - train.bytes);
        uint8_t *body = put_message(&out, keys.key[message % keys.count], message, frame_max);
        train.body[message] = (size_t)(body - train.bytes);
    }
    train.offset[train.count] = (size_t)(out.at - train.bytes);
    for (long key = 0; key < keys.count; key++)
        free(keys.key[key]);
    free(keys.key);
    return train;
}

static void send_block(struct connection *connection, struct train *train, long count)
{
    long end = train->at + count;
    uint64_t now = now_ns();
    if (option_size >= TIMESTAMP_BYTES)
        for (long message = train->at; message < end; message++) {
            uint64_t due_ns = now + (uint64_t)delay_ms(message) * (NS_PER_S / 1000);
            memcpy(train->bytes + train->body[message], &due_ns, sizeof due_ns);
        }
    size_t first = train->offset[train->at];
    send_all(connection, train->bytes + first, train->offset[end] - first);
    train->at = end == train->count ? 0 : end;
}

/* ---- publisher confirms ---- */

/* Which delivery tags are unconfirmed. A broker may confirm in any order, singly or up to a tag. */
struct confirms {
    uint64_t lowest; /* the lowest unconfirmed tag */
    uint64_t next;   /* the tag of the next message */
    uint64_t early;  /* tags above the lowest that are confirmed already, ... */
    bool *is_early;  /* ... by tag modulo ring */
    uint64_t ring;   /* bounds next - lowest */
};

static uint64_t unconfirmed(const struct confirms *confirms)
{
    return confirms->next - confirms->lowest - confirms->early;
}

/* Returns how many messages this settles. */
static uint64_t settle(struct confirms *confirms, uint64_t tag, bool multiple)
{
    uint64_t before = unconfirmed(confirms);
    if (tag < confirms->lowest || tag >= confirms->next)
        fail("a confirm for a tag that is settled or was never used");
    if (!multiple && tag != confirms->lowest) {
        if (confirms->is_early[tag % confirms->ring])
            fail("a tag confirmed twice");
        confirms->is_early[tag % confirms->ring] = true;
        confirms->early++;
        return 1;
    }
    if (!confirms->early) {
        confirms->lowest = tag + 1;
        return before - unconfirmed(confirms);
    }
    /* Pass everything up to the tag, and whatever behind it was confirmed before its turn. */
    while (confirms->lowest <= tag || (confirms->early && confirms->is_early[confirms->lowest % confirms->ring])) {
        bool *was_early = &confirms->is_early[confirms->lowest++ % confirms->ring];
        confirms->early -= *was_early;
        *was_early = false;
    }
    return before - unconfirmed(confirms);
}

static void read_confirms(struct connection *connection, struct confirms *confirms, struct worker *worker)
{
    struct frame frame;
    receive(connection);
    while (next_frame(connection, &frame)) {
        if (frame.method == BASIC_ACK || frame.method == BASIC_NACK) {
            uint64_t tag = get64(frame.payload + 4);
            uint64_t settled = settle(confirms, tag, frame.payload[12] & ACK_MULTIPLE);
            atomic_fetch_add(frame.method == BASIC_ACK ? &worker->confirmed : &worker->refused, (long)settled);
        } else
            refuse_close(&frame);
    }
}

/* ---- producer ---- */

/* Wait until count messages fit the window; false when it is time to stop. */
static bool await_window(struct connection *connection, struct confirms *confirms, struct worker *worker, long count)
{
    while (unconfirmed(confirms) + (uint64_t)count > (uint64_t)option_confirm ||
           confirms->next + (uint64_t)count - confirms->lowest > confirms->ring) {
        if (stop_producers)
            return false;
        read_confirms(connection, confirms, worker);
    }
    return true;
}

static void publish(struct connection *connection, struct train *train, struct confirms *confirms,
                    struct worker *worker)
{
    long quota = option_total / option_producers + (worker->index < option_total % option_producers);
    long sent = 0;
    uint64_t start_ns = now_ns();
    while (!stop_producers && (!option_total || sent < quota)) {
        long count = train->block;
        if (count > train->count - train->at)
            count = train->count - train->at;
        if (option_total && count > quota - sent)
            count = quota - sent;
        if (option_rate)
            sleep_until(start_ns + (uint64_t)((double)(sent * option_producers) / (double)option_rate * NS_PER_S));
        if (option_confirm && !await_window(connection, confirms, worker, count))
            break;
        send_block(connection, train, count);
        sent += count;
        confirms->next += (uint64_t)count;
        atomic_fetch_add(&worker->published, count);
    }
    uint64_t deadline = now_ns() + ANSWER_TIMEOUT_S * NS_PER_S;
    while (option_confirm && unconfirmed(confirms)) {
        if (now_ns() > deadline)
            fail("messages were never confirmed");
        read_confirms(connection, confirms, worker);
    }
}

static void *run_producer(void *argument)
{
    struct worker *worker = argument;
    struct connection connection;
    uint8_t space[METHOD_SPACE];
    open_connection(&connection);
    if (option_confirm) {
        struct writer out = begin_method(space, CHANNEL, CONFIRM_SELECT);
        put8(&out, 0);
        send_method(&connection, space, &out);
        await_method(&connection, CONFIRM_SELECT_OK);
    }
    struct train train = build_train(worker->index, connection.frame_max);
    struct confirms confirms = {.lowest = 1, .next = 1, .ring = 4 * (uint64_t)option_confirm + 1};
    confirms.is_early = allocate(confirms.ring, sizeof(bool));
    pthread_barrier_wait(&all_ready);
    pthread_barrier_wait(&all_ready);
    publish(&connection, &train, &confirms, worker);
    worker->finished_ns = now_ns();
    close_connection(&connection);
    if (!option_confirm) /* only the answer to close says that everything has been read */
        worker->finished_ns = now_ns();
    free(confirms.is_early);
    free(train.bytes);
    free(train.offset);
    free(train.body);
    return NULL;
}

/* ---- consumer ---- */

struct consumer {
    struct connection connection;
    struct worker *worker;
    bool rejects; /* whether it refuses what it should acknowledge */
    uint64_t delivery_tag; /* of the latest message */
    uint64_t body_left;    /* bytes of its body still to come */
    bool at_body_start;
    long unacknowledged;   /* messages the next multiple ack settles */
    uint8_t acks[ACK_SPACE];
    struct writer ack_out;
};

static void subscribe(struct consumer *consumer)
{
    uint8_t space[METHOD_SPACE];
    char queue[256];
    struct writer out;
    if (option_dead_letter && !consumer->rejects)
        dead_queue_name(queue, sizeof queue, consumer->worker->index);
    else
        queue_name(queue, sizeof queue, consumer->worker->index);
    if (ack_mode != ACK_NONE) {
        out = begin_method(space, CHANNEL, BASIC_QOS);
        put32(&out, 0);
        put16(&out, (uint32_t)option_prefetch);
        put8(&out, 0);
        send_method(&consumer->connection, space, &out);
        await_method(&consumer->connection, BASIC_QOS_OK);
    }
    out = begin_method(space, CHANNEL, BASIC_CONSUME);
    put16(&out, 0);
    put_short_string(&out, queue);
    put_short_string(&out, "");
    put8(&out, ack_mode == ACK_NONE ? CONSUME_NO_ACK : 0);
    uint8_t *table = begin_table(&out);
    if (option_stream_offset)
        put_entry(&out, "x-stream-offset", option_stream_offset);
    end_table(&out, table);
    send_method(&consumer->connection, space, &out);
    await_method(&consumer->connection, BASIC_CONSUME_OK);
}

static void send_acks(struct consumer *consumer)
{
    if (consumer->ack_out.at != consumer->acks)
        send_all(&consumer->connection, consumer->acks, (size_t)(consumer->ack_out.at - consumer->acks));
    consumer->ack_out.at = consumer->acks;
}

static void acknowledge(struct consumer *consumer, bool multiple)
{
    if (consumer->ack_out.at > consumer->acks + ACK_SPACE - METHOD_SPACE)
        send_acks(consumer);
    begin_frame(&consumer->ack_out, FRAME_METHOD, CHANNEL);
    put32(&consumer->ack_out, consumer->rejects ? BASIC_NACK : BASIC_ACK);
    put64(&consumer->ack_out, consumer->delivery_tag);
    put8(&consumer->ack_out, multiple ? ACK_MULTIPLE : 0); /* of a nack: do not requeue */
    end_frame(&consumer->ack_out);
    consumer->unacknowledged = 0;
}

static void record_latency(struct worker *worker, uint64_t ns)
{
    uint64_t us = ns / 1000, bucket = us;
    if (us >= EXACT_US) {
        int bits = 63 - __builtin_clzll(us); /* us is between 2^bits and 2^(bits + 1) */
        bucket = EXACT_US + (uint64_t)(bits - EXACT_BITS) * STEPS + ((us >> (bits - STEP_BITS)) & (STEPS - 1));
    }
    worker->latencies[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

/* Returns 1 when the frame completes a message, otherwise 0. */
static inline long read_delivery(struct consumer *consumer, const struct frame *frame, uint64_t now)
{
    if (frame->type == FRAME_METHOD) {
        if (frame->method == BASIC_DELIVER)
            consumer->delivery_tag = get64(frame->payload + 5 + frame->payload[4]); /* after the consumer tag */
        else if (frame->method == BASIC_CANCEL)
            fail("the broker cancelled the consumer");
        else
            refuse_close(frame);
        return 0;
    }
    if (frame->type == FRAME_HEADER) {
        consumer->body_left = get64(frame->payload + 4);
        consumer->at_body_start = true;
    } else if (frame->type == FRAME_BODY) {
        if (consumer->at_body_start && frame->size >= TIMESTAMP_BYTES && now) {
            uint64_t sent_ns;
            memcpy(&sent_ns, frame->payload, sizeof sent_ns);
            record_latency(consumer->worker, now > sent_ns ? now - sent_ns : 0);
        }
        consumer->at_body_start = false;
        consumer->body_left -= frame->size;
    } else
        return 0;
    if (consumer->body_left)
        return 0;
    consumer->unacknowledged++;
    if (ack_mode == ACK_SINGLE)
        acknowledge(consumer, false);
    else if (ack_mode == ACK_MULTIPLE_EVERY && consumer->unacknowledged >= option_ackevery)
        acknowledge(consumer, true);
    return 1;
}

static void consume(struct worker *worker, bool rejects)
{
    struct consumer *consumer = allocate(1, sizeof *consumer);
    struct frame frame;
    consumer->worker = worker;
    consumer->rejects = rejects;
    consumer->ack_out.at = consumer->acks;
    open_connection(&consumer->connection);
    pthread_barrier_wait(&all_ready);
    subscribe(consumer);
    pthread_barrier_wait(&all_ready);
    while (!stop_consumers) {
        /* One reading of the clock for all that one read brought: the time it got here. */
        uint64_t now = now_ns(), latency_now = measuring && !option_drain ? now : 0;
        long completed = 0;
        while (next_frame(&consumer->connection, &frame))
            completed += read_delivery(consumer, &frame, latency_now);
        if (completed) {
            atomic_fetch_add(&consumer->worker->consumed, completed);
            consumer->worker->finished_ns = now;
        }
        send_acks(consumer);
        if (!receive(&consumer->connection) && consumer->unacknowledged && ack_mode == ACK_MULTIPLE_EVERY)
            acknowledge(consumer, true); /* nothing comes: settle what is left over */
    }
    if (consumer->unacknowledged && ack_mode == ACK_MULTIPLE_EVERY)
        acknowledge(consumer, true);
    send_acks(consumer);
    close_connection(&consumer->connection);
    free(consumer);
}

static void *run_consumer(void *argument)
{
    consume(argument, false);
    return NULL;
}

static void *run_rejecter(void *argument)
{
    consume(argument, true);
    return NULL;
}

/* ---- expiring ---- */

/* The message that all others wait behind: it does not expire. */
static void publish_first(struct connection *connection)
{
    uint8_t space[METHOD_SPACE];
    char queue[256];
    queue_name(queue, sizeof queue, 0);
    struct writer out = begin_method(space, CHANNEL, BASIC_PUBLISH);
    put16(&out, 0);
    put_short_string(&out, "");
    put_short_string(&out, queue);
    put8(&out, 0);
    end_frame(&out);
    begin_frame(&out, FRAME_HEADER, CHANNEL);
    put16(&out, CLASS_BASIC);
    put16(&out, 0);
    put64(&out, 0); /* no body, so no body frame */
    put16(&out, 0);
    send_method(connection, space, &out);
}

static void take_first(struct connection *connection, uint64_t deadline)
{
    uint8_t space[METHOD_SPACE];
    char queue[256];
    queue_name(queue, sizeof queue, 0);
    struct writer out = begin_method(space, CHANNEL, BASIC_GET);
    put16(&out, 0);
    put_short_string(&out, queue);
    put8(&out, GET_NO_ACK);
    send_method(connection, space, &out);
    await_method_until(connection, BASIC_GET_OK, deadline);
}

static long message_count(struct connection *connection, const char *queue, uint64_t deadline)
{
    uint8_t space[METHOD_SPACE];
    struct writer out = begin_method(space, CHANNEL, QUEUE_DECLARE);
    put16(&out, 0);
    put_short_string(&out, queue);
    put8(&out, QUEUE_PASSIVE);
    put_empty_table(&out);
    send_method(connection, space, &out);
    const uint8_t *answer = await_method_until(connection, QUEUE_DECLARE_OK, deadline);
    return (long)get32(answer + 1 + answer[0]); /* after the name */
}

/* Seconds that --total messages take to expire (and, with --dead-letter, to be in the second queue).
 * A broker may do nothing else meanwhile: --secs is all the patience there is. */
static double time_expiry(struct connection *connection)
{
    char queue[256], dead_queue[256];
    queue_name(queue, sizeof queue, 0);
    dead_queue_name(dead_queue, sizeof dead_queue, 0);
    uint64_t deadline = now_ns() + (uint64_t)option_secs * NS_PER_S;
    if (message_count(connection, queue, deadline) != option_total + 1)
        fail("messages that wait behind another one have expired, or are missing");
    uint64_t start_ns = now_ns();
    take_first(connection, deadline);
    while (message_count(connection, queue, deadline) ||
           (option_dead_letter && message_count(connection, dead_queue, deadline) != option_total)) {
        if (now_ns() > deadline)
            fail("the messages have not expired in time");
        sleep_until(now_ns() + NS_PER_S / 1000);
    }
    return (double)(now_ns() - start_ns) / NS_PER_S;
}

/* ---- measuring ---- */

struct totals {
    long published, confirmed, refused, consumed;
    uint64_t producers_finished_ns, consumers_finished_ns;
};

struct result {
    struct totals counted;
    double publish_s, consume_s; /* what the counts are divided by */
    double expire_s;             /* with --expire */
};

static struct totals add_up(const struct worker *producers, const struct worker *consumers)
{
    struct totals totals = {0};
    for (long index = 0; index < option_producers; index++) {
        const struct worker *worker = &producers[index];
        totals.published += worker->published;
        totals.confirmed += worker->confirmed;
        totals.refused += worker->refused;
        if (worker->finished_ns > totals.producers_finished_ns)
            totals.producers_finished_ns = worker->finished_ns;
    }
    for (long index = 0; index < option_consumers; index++) {
        totals.consumed += consumers[index].consumed;
        if (consumers[index].finished_ns > totals.consumers_finished_ns)
            totals.consumers_finished_ns = consumers[index].finished_ns;
    }
    return totals;
}

static struct worker *start(long count, void *(*run)(void *))
{
    struct worker *workers = allocate((size_t)count + 1, sizeof *workers);
    for (long index = 0; index < count; index++) {
        workers[index].index = index;
        errno = pthread_create(&workers[index].thread, NULL, run, &workers[index]);
        if (errno)
            fail_system("cannot start a thread");
    }
    return workers;
}

static void join(struct worker *workers, long count)
{
    for (long index = 0; index < count; index++)
        pthread_join(workers[index].thread, NULL);
}

/* Count what happens in --secs seconds, after a warm-up. */
static struct result measure_seconds(struct worker *producers, struct worker *consumers)
{
    sleep_until(now_ns() + WARM_UP_MS * (NS_PER_S / 1000));
    struct totals before = add_up(producers, consumers);
    uint64_t start_ns = now_ns();
    measuring = true;
    sleep_until(start_ns + (uint64_t)option_secs * NS_PER_S);
    measuring = false;
    struct totals after = add_up(producers, consumers);
    double elapsed_s = (double)(now_ns() - start_ns) / NS_PER_S;
    stop_producers = true;
    join(producers, option_producers);
    return (struct result){
        .counted = {after.published - before.published, after.confirmed - before.confirmed,
                    after.refused - before.refused, after.consumed - before.consumed, 0, 0},
        .publish_s = elapsed_s,
        .consume_s = elapsed_s,
    };
}

/* Time how long --total messages take: to be published and confirmed, to be consumed. */
static struct result measure_total(struct worker *producers, struct worker *consumers, uint64_t start_ns)
{
    long copies = option_fanout || option_topic ? option_queues : 1;
    long expected = option_consumers ? option_total * (option_drain ? 1 : copies) : 0;
    join(producers, option_producers);
    uint64_t deadline = now_ns() + (uint64_t)option_secs * NS_PER_S;
    while (add_up(producers, consumers).consumed < expected && now_ns() < deadline)
        sleep_until(now_ns() + NS_PER_S / 1000);
    struct totals totals = add_up(producers, consumers);
    if (totals.consumed < expected)
        fprintf(stderr, "load: only %ld of %ld messages were consumed in time\n", totals.consumed, expected);
    return (struct result){
        .counted = totals,
        .publish_s = option_producers ? (double)(totals.producers_finished_ns - start_ns) / NS_PER_S : 0,
        .consume_s = totals.consumed ? (double)(totals.consumers_finished_ns - start_ns) / NS_PER_S : 0,
    };
}

/* ---- report ---- */

static uint64_t bucket_us(uint64_t bucket)
{
    if (bucket < EXACT_US)
        return bucket;
    uint64_t bits = (bucket - EXACT_US) / STEPS + EXACT_BITS;
    return ((uint64_t)1 << bits) + ((bucket - EXACT_US) % STEPS << (bits - STEP_BITS));
}

static uint64_t percentile_us(const uint64_t *latencies, uint64_t count, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)count + 0.5), seen = 0, bucket = 0;
    for (; bucket < BUCKETS - 1; bucket++)
        if ((seen += latencies[bucket]) >= wanted && seen)
            break;
    return bucket_us(bucket);
}

static void report_latencies(const struct worker *consumers)
{
    uint64_t latencies[BUCKETS] = {0}, count = 0;
    for (long index = 0; index < option_consumers; index++)
        for (long bucket = 0; bucket < BUCKETS; bucket++) {
            latencies[bucket] += consumers[index].latencies[bucket];
            count += consumers[index].latencies[bucket];
        }
    if (count)
        printf(" p50_us=%lu p95_us=%lu p99_us=%lu max_us=%lu", percentile_us(latencies, count, 0.50),
               percentile_us(latencies, count, 0.95), percentile_us(latencies, count, 0.99),
               percentile_us(latencies, count, 1.0));
}

static double seconds(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

static double rate(long count, double elapsed_s) { return elapsed_s > 0 ? (double)count / elapsed_s : 0; }

static void report(const struct result *result, const struct worker *consumers)
{
    const struct totals *counted = &result->counted;
    struct rusage usage;
    printf("published=%ld confirmed=%ld refused=%ld consumed=%ld", counted->published, counted->confirmed,
           counted->refused, counted->consumed);
    printf(" pub_rate=%.0f con_rate=%.0f confirm_rate=%.0f", rate(counted->published, result->publish_s),
           rate(counted->consumed, result->consume_s), rate(counted->confirmed, result->publish_s));
    if (option_expire)
        printf(" expired_rate=%.0f", rate(option_total, result->expire_s));
    report_latencies(consumers);
    getrusage(RUSAGE_SELF, &usage);
    printf(" cpu_s=%.2f\n", seconds(usage.ru_utime) + seconds(usage.ru_stime));
}

/* ---- command line ---- */

static _Noreturn void usage(const char *wrong)
{
    fprintf(stderr, "load: %s\noptions:\n", wrong);
    for (int row = 0; row < OPTION_COUNT; row++)
        fprintf(stderr, "  --%-15s %s\n", OPTIONS[row].name, OPTIONS[row].help);
    exit(2);
}

static void check_assignment(const char *text)
{
    if (!strchr(text, '=') || strlen(text) > 255)
        usage("--header and --argument are NAME=VALUE");
}

static void add_assignment(const char **texts, const char *text)
{
    int count = 0;
    check_assignment(text);
    while (texts[count])
        count++;
    if (count == ARGUMENTS_MAX)
        usage("--argument is wanted four times at most");
    texts[count] = text;
}

static void set_option(const struct option_row *row, const char *text)
{
    char *end = "";
    const char **texts = row->value;
    if (row->kind == TEXT)
        *texts = text;
    else if (row->kind == TEXTS)
        add_assignment(texts, text);
    else
        *(long *)row->value = row->kind == FLAG ? 1 : strtol(text, &end, 10);
    if (*end || (row->kind == NUMBER && *(long *)row->value < 0))
        usage("a number is wanted, zero or more");
}

static void check_options(void)
{
    static const char *const modes[] = {"none", "multiple", "single"};
    int mode = 0;
    while (mode < 3 && strcmp(option_ack, modes[mode]) != 0)
        mode++;
    ack_mode = (enum ack_mode)mode;
    if (mode == 3)
        usage("--ack is none, multiple or single");
    if (option_drain)
        option_producers = 0;
    if (option_drain && (!option_total || !option_consumers))
        usage("--drain needs --total and a consumer");
    if (!option_queues || (!option_producers && !option_total))
        usage("nothing to do");
    if (option_fanout + option_topic + option_consistent_hash + (option_delay != 0) + (option_exchange != NULL) > 1)
        usage("only one of --fanout, --topic, --consistent-hash, --delay and --exchange");
    if (!option_exchange && (option_queue || option_routing_keys))
        usage("--queue and --routing-keys need --exchange");
    if (option_header)
        check_assignment(option_header);
    if (option_exchange && (option_dead_letter || *option_arguments))
        usage("--exchange declares no queues, so no --dead-letter and no --argument");
    if (option_priorities > 256)
        usage("there are 256 priorities at most");
    if (option_expire && (!option_total || !option_expiration || option_queues > 1 || option_consumers))
        usage("--expire needs --total, --expiration, one queue and --consumers 0");
    /* A consumer that waits for more messages than it may hold would wait for ever. */
    if (option_prefetch && option_ackevery > option_prefetch)
        option_ackevery = option_prefetch;
}

static void read_options(int count, char **arguments)
{
    struct option known[OPTION_COUNT + 1] = {{0}};
    int chosen;
    for (int row = 0; row < OPTION_COUNT; row++)
        known[row] = (struct option){OPTIONS[row].name, OPTIONS[row].kind == FLAG ? no_argument : required_argument,
                                     NULL, row};
    opterr = 0;
    while ((chosen = getopt_long(count, arguments, "", known, NULL)) != -1) {
        if (chosen == '?')
            usage("an unknown option, or one without its value");
        set_option(&OPTIONS[chosen], optarg);
    }
    if (optind < count)
        usage("only options are wanted");
    check_options();
}

int main(int count, char **arguments)
{
    struct connection control;
    read_options(count, arguments);
    open_connection(&control);
    if (!option_exchange && !option_drain)
        delete_topology(&control); /* what an earlier run may have left */
    if (!option_exchange)
        declare_topology(&control);

    if (option_expire)
        publish_first(&control);

    long threads = option_producers + option_consumers + option_rejecters;
    pthread_barrier_init(&all_ready, NULL, (unsigned)threads + 1);
    struct worker *rejecters = start(option_rejecters, run_rejecter);
    struct worker *consumers = start(option_consumers, run_consumer);
    struct worker *producers = start(option_producers, run_producer);
    pthread_barrier_wait(&all_ready);
    uint64_t subscribed_ns = now_ns(); /* a drain begins when the consumers subscribe, ... */
    measuring = option_total != 0;
    pthread_barrier_wait(&all_ready);
    uint64_t start_ns = option_drain ? subscribed_ns : now_ns(); /* ... anything else when the producers publish */
    struct result result = option_total ? measure_total(producers, consumers, start_ns)
                                        : measure_seconds(producers, consumers);
    if (option_expire)
        result.expire_s = time_expiry(&control);
    stop_consumers = true;
    join(consumers, option_consumers);
    join(rejecters, option_rejecters);
    report(&result, consumers);
    if (!option_exchange && !option_keep)
        delete_topology(&control);
    close_connection(&control);
    return 0;
}
