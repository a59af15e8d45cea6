/* What container engines wrap each line in: framing.py, compiled. A line it is not sure of goes through `unwrap`. */
#define WRAPPED_LINE (64 << 10)
#define MAX_TEXT (4 << 20)
#define MAX_STREAMS 8
typedef struct { P name; long name_len; const char *text; Py_ssize_t len; int whole; } Unwrapped;
typedef struct {
    PyObject *name;
    Py_ssize_t floor, open_at, len, lines, room;
    char *text;
    int64_t *table; /* of each line where it starts: in the text, in the buffer */
} Stream;
typedef struct { Stream streams[MAX_STREAMS]; int count; char scratch[WRAPPED_LINE]; } Streams;

static int is_cri(P p, P e, Unwrapped *u) {
    if (!digits(p, e, "0000-00-00T00:00:00") || p[4] != '-' || p[7] != '-' || p[10] != 'T') return 0;
    P q = p + 19;
    if (q < e && *q == '.') {
        int n = 0;
        for (q++; q < e && is_digit(*q) && n < 9; q++) n++;
        if (!n) return 0;
    }
    if (q < e && *q == 'Z') q++;
    else if (q < e && one_of(*q, "+-") && digits(q + 1, e, "00:00")) q += 6;
    else return 0;
    if (!starts(q, e, " stdout ") && !starts(q, e, " stderr ")) return 0;
    u->name = q + 1; u->name_len = 6;
    q += 8;
    if (q >= e || !one_of(*q, "FP")) return 0;
    u->whole = *q++ == 'F';
    if (q < e && *q == ':') while (q < e && *q != ' ') q++;
    if (q >= e || *q != ' ') return 0;
    u->text = (const char *)q + 1; u->len = e - q - 1;
    return 1;
}

static int utf8_length(P p, P e) { /* of one character beyond ASCII; 0 when it is none */
    int n = *p >= 0xF0 ? 4 : *p >= 0xE0 ? 3 : *p >= 0xC2 ? 2 : 0;
    if (!n || *p > 0xF4 || e - p < n) return 0;
    for (int i = 1; i < n; i++) if ((p[i] & 0xC0) != 0x80) return 0;
    if ((*p == 0xE0 && p[1] < 0xA0) || (*p == 0xED && p[1] > 0x9F) || (*p == 0xF0 && p[1] < 0x90) || (*p == 0xF4 && p[1] > 0x8F)) return 0;
    return n;
}
static long hex4(P p, P e) {
    long v = 0;
    if (e - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int c = p[i] | 32;
        if (!is_digit(p[i]) && (c < 'a' || c > 'f')) return -1;
        v = v << 4 | (is_digit(p[i]) ? p[i] - '0' : c - 'a' + 10);
    }
    return v;
}
static char *put_utf8(char *out, long c) {
    if (c < 0x80) *out++ = (char)c;
    else if (c < 0x800) { *out++ = (char)(0xC0 | c >> 6); *out++ = (char)(0x80 | (c & 63)); }
    else if (c < 0x10000) { *out++ = (char)(0xE0 | c >> 12); *out++ = (char)(0x80 | (c >> 6 & 63)); *out++ = (char)(0x80 | (c & 63)); }
    else { *out++ = (char)(0xF0 | c >> 18); *out++ = (char)(0x80 | (c >> 12 & 63)); *out++ = (char)(0x80 | (c >> 6 & 63)); *out++ = (char)(0x80 | (c & 63)); }
    return out;
}
/* A JSON string whose quote is at p, unescaped into `out`, which has room for as many bytes; behind it, 0 when unsure. */
static P json_text(P p, P e, char *out, Py_ssize_t *len) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char *begin = out;
    for (p++; p < e && *p != '"';) {
        P q = p;
        while (q < e && *q >= 0x20 && *q < 0x80 && *q != '"' && *q != '\\') q++;
        memcpy(out, p, q - p); out += q - p; p = q;
        if (p >= e || *p < 0x20) return 0;
        if (*p == '"') break;
        if (*p >= 0x80) {
            int n = utf8_length(p, e);
            if (!n) return 0;
            memcpy(out, p, n); out += n; p += n;
        } else if (p + 1 < e && p[1] == 'u') {
            long c = hex4(p + 2, e), low;
            if (c < 0 || (c >= 0xDC00 && c <= 0xDFFF)) return 0;
            p += 6;
            if (c >= 0xD800 && c <= 0xDBFF) {
                if (e - p < 6 || p[0] != '\\' || p[1] != 'u' || (low = hex4(p + 2, e)) < 0xDC00 || low > 0xDFFF) return 0;
                c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
                p += 6;
            }
            out = put_utf8(out, c);
        } else {
            const char *at = p + 1 < e ? memchr(from, p[1], 8) : 0;
            if (!at) return 0;
            *out++ = to[at - from]; p += 2;
        }
    }
    *len = out - begin;
    return p < e ? p + 1 : 0;
}
static int is_docker(P p, P e, Unwrapped *u, char *scratch) {
    int seen = 0;
    if (p >= e || *p++ != '{') return 0;
    for (;;) {
        P key = p, value;
        for (int k = 0; k < 3; k++) {
            static const char *keys[] = {"\"log\":\"", "\"stream\":\"", "\"time\":\""};
            if (!starts(key, e, keys[k]) || seen >> k & 1) continue;
            seen |= 1 << k;
            value = p = key + strlen(keys[k]) - 1;
            if (!k) { if (!(p = json_text(p, e, scratch, &u->len))) return 0; continue; }
            for (p++; p < e && *p != '"'; p++) if (*p == '\\' || *p >= 0x80 || *p < 0x20) return 0;
            if (p++ >= e) return 0;
            if (k == 1) { u->name = value + 1; u->name_len = p - value - 2; }
        }
        if (p == key || p >= e) return 0;
        if (*p == '}') break;
        if (*p++ != ',') return 0;
    }
    if (p + 1 != e || !(seen & 1) || !(seen & 2)) return 0;
    u->whole = u->len && scratch[u->len - 1] == '\n';
    u->len -= u->whole;
    u->text = scratch;
    return 1;
}

static Stream *stream_named(Streams *s, P name, long len, PyObject *floors) {
    for (int i = 0; i < s->count; i++) {
        Py_ssize_t n;
        const char *known = PyUnicode_AsUTF8AndSize(s->streams[i].name, &n);
        if (known && n == len && !memcmp(known, name, len)) return &s->streams[i];
    }
    if (s->count == MAX_STREAMS) { PyErr_SetString(PyExc_OverflowError, "too many streams"); return 0; }
    Stream *one = &s->streams[s->count];
    if (!(one->name = PyUnicode_DecodeUTF8((const char *)name, len, "strict"))) return 0;
    PyObject *floor_ = PyDict_GetItemWithError(floors, one->name);
    one->floor = floor_ ? PyLong_AsSsize_t(floor_) : 0;
    one->open_at = -1;
    s->count++;
    return PyErr_Occurred() ? 0 : one;
}
static int add_line(Stream *s, Py_ssize_t at, const Unwrapped *u, Py_ssize_t most) {
    if (!s->text && !(s->text = PyMem_Malloc(most))) { PyErr_NoMemory(); return -1; }
    if (s->open_at < 0) {
        if (s->lines == s->room) {
            int64_t *more_ = PyMem_Realloc(s->table, (s->room = s->room * 2 + 64) * 2 * sizeof *more_);
            if (!more_) { PyErr_NoMemory(); return -1; }
            s->table = more_;
        }
        s->table[2 * s->lines] = s->len; s->table[2 * s->lines++ + 1] = at;
        s->open_at = at;
    }
    if (s->len + u->len + 1 > most) { PyErr_SetString(PyExc_ValueError, "a line grew"); return -1; }
    if (s->len < MAX_TEXT) {
        memcpy(s->text + s->len, u->text, u->len);
        for (char *p = s->text + s->len, *e = p + u->len; (p = memchr(p, '\n', e - p)) != 0;) *p = ' ';
        s->len += u->len;
    }
    if (u->whole) { s->text[s->len++] = '\n'; s->open_at = -1; }
    return 0;
}
/* One line that only Python can read. */
static int asked(PyObject *unwrap, Streams *s, P p, P e, Py_ssize_t at, Py_ssize_t base, Py_ssize_t most, PyObject *floors) {
    Unwrapped u = {(P)"", 0, (const char *)p, e - p, 1};
    P kept = e;
    while (kept > p && kept[-1] == '\r') kept--;
    PyObject *found = PyObject_CallFunction(unwrap, "y#", p, (Py_ssize_t)(kept - p));
    const char *name = "", *stamp; Py_ssize_t name_len = 0, stamp_len;
    int bad = !found;
    if (found && found != Py_None) {
        bad = !PyArg_ParseTuple(found, "s#y#py#", &name, &name_len, &u.text, &u.len, &u.whole, &stamp, &stamp_len);
    }
    Stream *one = bad ? 0 : stream_named(s, (P)name, name_len, floors);
    bad = !one || (base + at >= one->floor && add_line(one, at, &u, most) < 0);
    Py_XDECREF(found);
    return bad ? -1 : 0;
}
static PyObject *streams_told(Streams *s) {
    PyObject *all = PyList_New(0);
    for (int i = 0; all && i < s->count; i++) {
        Stream *one = &s->streams[i];
        if (!one->lines) continue;
        PyObject *told = Py_BuildValue("(Oy#y#n)", one->name, one->text, one->len, (char *)one->table, (Py_ssize_t)(one->lines * 2 * sizeof *one->table), one->open_at);
        if (!told || PyList_Append(all, told) < 0) Py_CLEAR(all);
        Py_XDECREF(told);
    }
    return all;
}

/* unwrap(buffer, start, stop, base, floors, docker, unwrap) -> [(name, text, table, open_at)]; raises OverflowError where
 * there are too many streams. */
static PyObject *unwrap(PyObject *self, PyObject *args) {
    Py_buffer view; Py_ssize_t start, stop, base; int docker;
    PyObject *source, *floors, *python;
    (void)self;
    if (!PyArg_ParseTuple(args, "OnnnO!pO", &source, &start, &stop, &base, &PyDict_Type, &floors, &docker, &python)) return 0;
    if (PyObject_GetBuffer(source, &view, PyBUF_SIMPLE) < 0) return 0;
    Streams *s = start < 0 || start > stop || stop > view.len ? 0 : PyMem_Calloc(1, sizeof *s);
    if (!s) {
        PyBuffer_Release(&view);
        PyErr_SetString(PyExc_ValueError, "positions outside the buffer");
        return 0;
    }
    P buffer = view.buf, end = buffer + stop;
    Py_ssize_t most = stop - start + WRAPPED_LINE + 1;
    int failed = 0;
    for (P p = buffer + start, e; p < end && !failed; p = e + 1) {
        e = line_end(p, end);
        P to = e - p > WRAPPED_LINE ? p + WRAPPED_LINE : e, kept = chomp(p, to);
        Unwrapped u;
        if (docker ? !is_docker(p, kept, &u, s->scratch) : !is_cri(p, kept, &u)) {
            failed = asked(python, s, p, to, p - buffer, base, most, floors);
            continue;
        }
        Stream *one = stream_named(s, u.name, u.name_len, floors);
        failed = !one || (base + (p - buffer) >= one->floor && add_line(one, p - buffer, &u, most) < 0);
    }
    PyObject *told = failed ? 0 : streams_told(s);
    PyBuffer_Release(&view);
    for (int i = 0; i < s->count; i++) { Py_XDECREF(s->streams[i].name); PyMem_Free(s->streams[i].text); PyMem_Free(s->streams[i].table); }
    PyMem_Free(s);
    return told;
}
