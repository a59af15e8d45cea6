/* A stretch of a log as text.py knows it, with what was told of its last lines kept: each line is looked at once. */
#define MAX_BYTES (256 << 10)
#define MAX_GROUP 8
#define KEPT 128    /* lines, a power of two */

typedef struct { int kind; P start, end; uint64_t hash; int status, ended; } Event;
typedef struct { P at, end, to; signed char record, bad, header, foreign; } Line; /* below 0 (header: -2) what nobody has asked yet */
typedef struct {
    P buffer, low, floor, stop;
    int final, errors, line_bytes, groups;
    Line lines[KEPT];
    Event group[MAX_GROUP]; /* events whose lines lie among each other */
    int grouped;
} Text;

static Line *look(Text *t, P p) {
    Line *l = &t->lines[(uintptr_t)p * 0x9E3779B97F4A7C15ULL >> 57 & (KEPT - 1)];
    if (l->at != p) {
        l->at = p; l->end = line_end(p, t->stop); l->to = chomp(p, l->end);
        l->record = l->bad = l->foreign = -1; l->header = -2;
    }
    return l;
}
static P end_of(Text *t, P p) { return look(t, p)->end; }
static P to_of(Text *t, P p) { return look(t, p)->to; }
static P next_line(Text *t, P p) { P e = end_of(t, p); return e < t->stop ? e + 1 : e; }
static int endless(Text *t, P p) { return end_of(t, p) - p >= t->line_bytes; }
static int is_record(Text *t, P p) {
    Line *l = look(t, p);
    if (l->record < 0) l->record = (signed char)starts_record(p, l->to);
    return l->record;
}
static int is_bad(Text *t, P p) {
    Line *l = look(t, p);
    if (l->bad < 0) l->bad = level_in(p, l->to) == BAD;
    return l->bad;
}
static P before(const Text *t, P at) { /* the start of the line before; 0 when that one is spoken for */
    if (at <= t->floor) return 0;
    P p = memrchr(t->floor, '\n', at - 1 - t->floor);
    return p ? p + 1 : t->floor;
}
static P above(const Text *t, P at) { /* the same, also of one that is spoken for */
    if (at <= t->low) return 0;
    P p = memrchr(t->low, '\n', at - 1 - t->low);
    return p ? p + 1 : t->low;
}
static P record_before(Text *t, P at) {
    P line = before(t, at);
    if (!line || is_record(t, at)) return at;
    return *line != '{' && is_record(t, line) && is_bad(t, line) ? line : at;
}

static Event hand(P at) { Event e = {0, at, at, 0, HAND, 0}; return e; }
static Event more(P at, int ended) { Event e = {0, at, at, 0, MORE, ended}; return e; }
static Event event(int kind, P start, P end, uint64_t hash) { Event e = {kind, start, end, hash ? hash : 1, END, 1}; return e; }
