/* template.py's `specified`, compiled: line, headers, quoted values, who, tokens with a digit, single spaces. template.py
 * is the specification. A text with anything whose meaning isn't sure here (a rare script's digit or blank, half of a
 * pair, a letter beyond ASCII where a word's edge decides) is answered None and read there; property tests hold the two
 * together. No state, no allocation but the answer, each step at most as long as the line before. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stddef.h>
#include <string.h>

typedef unsigned char Byte;
typedef struct { const Byte *at, *end; } Text;
enum { LONGEST_TEXT = 1 << 16, LINE = 500, LINE_BYTES = 4 * LINE, QUOTED = 200 };
enum { BLANK = 1, SEPARATOR = 2, DIGIT = 4, WORD = 8, QUOTE = 16 };
static Byte kinds[256];

static int is(Text t, ptrdiff_t i, int kind) { return t.end - t.at > i && (kinds[t.at[i]] & kind); }
static int equals(Text t, ptrdiff_t i, char c) { return t.end - t.at > i && t.at[i] == (Byte)c; }
static void skip(Text *t, int kind) { while (is(*t, 0, kind)) t->at++; }

/* ------------------------------------------------------------ characters */

/* Blocks without blanks and decimal digits in any version of Unicode. */
static const struct { unsigned first, last; } known[] = {
    {0xA1, 0x65F}, {0x2010, 0x2027}, {0x2030, 0x205E}, {0x2060, 0x2FFF}, {0x3001, 0xA4CF}, {0xAC00, 0xD7A3},
    {0xE000, 0xFF0F}, {0xFF1A, 0xFFFD}, {0x1F000, 0x1FAFF}, {0x20000, 0x3FFFD}};

/* Bytes of the character that begins the text, 0 if it isn't known to be neither blank nor digit. */
static int wide(Text t) {
    Byte lead = t.at[0];
    int size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    unsigned code = lead & (0x7Fu >> size);
    if (lead < 0xC2 || lead > 0xF4 || t.end - t.at < size) return 0;
    for (int i = 1; i < size; i++) {
        if ((t.at[i] & 0xC0) != 0x80) return 0;
        code = code << 6 | (t.at[i] & 0x3Fu);
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) if (code >= known[i].first && code <= known[i].last) return size;
    return 0;
}

/* The first line of a text without blanks around it, at most LINE characters of it; 0 if that isn't sure. */
static int first_line(Text *t) {
    skip(t, BLANK);
    while (t->end > t->at && (kinds[t->end[-1]] & BLANK)) t->end--;
    Text last = {t->end, t->end};
    while (last.at > t->at && last.at[-1] >= 0x80 && last.end - last.at < 4) if (*--last.at >= 0xC0) break;
    if (last.at < last.end && !wide(last)) return 0;
    Text rest = *t;
    for (int n = 0; n < LINE && rest.at < rest.end && *rest.at != '\n'; n++) {
        int size = *rest.at < 0x80 ? 1 : wide(rest);
        if (!size) return 0;
        rest.at += size;
    }
    t->end = rest.at;
    return 1;
}

/* ------------------------------------------------------------ header */

/* Steps over a shape in which 9 is any digit; otherwise steps nowhere. */
static int shaped(Text *t, const char *shape) {
    ptrdiff_t n = 0;
    for (; shape[n]; n++) if (shape[n] == '9' ? !is(*t, n, DIGIT) : !equals(*t, n, shape[n])) return 0;
    t->at += n;
    return 1;
}

static int stamp(Text *line) {
    Text t = *line;
    if (!shaped(&t, "9999-99-99T") && !shaped(&t, "9999-99-99t") && !shaped(&t, "9999-99-99 ")) return 0;
    const Byte *time = t.at;
    while (is(t, 0, DIGIT) || equals(t, 0, ':') || equals(t, 0, '.') || equals(t, 0, ',')) t.at++;
    if (t.at == time) return 0;
    *line = t;
    if (equals(t, 0, 'Z') || equals(t, 0, 'z')) line->at++;
    else if (equals(t, 0, '+') || equals(t, 0, '-')) {
        t.at++;
        if (shaped(&t, "99:99") || shaped(&t, "9999")) *line = t;
    }
    return 1;
}

/* Steps over the name of a level in any case; -1 where there may be one of the two other letters that count as an i. */
static int level(Text *t) {
    static const char *const names[] = {"debug", "info", "notice", "warning", "warn", "error", "critical", "fatal"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ptrdiff_t n = 0;
        while (names[i][n] && t->end - t->at > n && (t->at[n] | 0x20) == names[i][n]) n++;
        if (!names[i][n]) { t->at += n; return 1; }
        if (names[i][n] == 'i' && equals(*t, n, '\xC4')) return -1;
    }
    return 0;
}

/* Steps over one header if there is one; 0 if that isn't sure. */
static int header(Text *line) {
    Text t = *line;
    skip(&t, BLANK);
    if (equals(t, 0, '[') || equals(t, 0, '(')) t.at++;
    int stamped = stamp(&t), levelled = stamped ? 0 : level(&t);
    if (levelled < 0) return 0;
    if (!stamped && !levelled) return 1;
    if (equals(t, 0, ']') || equals(t, 0, ')')) t.at++;
    skip(&t, BLANK);
    while (levelled && (is(t, 0, BLANK) || equals(t, 0, ':') || equals(t, 0, '|') || equals(t, 0, '-'))) t.at++;
    *line = t;
    return 1;
}

/* ------------------------------------------------------------ values */

static const Byte *closing(const Byte *quote, const Byte *end) {
    int inside = 0;
    for (const Byte *p = quote + 1; p < end && inside <= QUOTED; p++) {
        if (*p == *quote) return p;
        inside += (*p & 0xC0) != 0x80;
    }
    return 0;
}

/* The line with quoted values as question marks, written to room. */
static Text unquoted(Text line, Byte *room) {
    Byte *out = room;
    for (const Byte *p = line.at; p < line.end; p++) {
        const Byte *close = kinds[*p] & QUOTE ? closing(p, line.end) : 0;
        *out++ = close ? '?' : *p;
        if (close) p = close;
    }
    return (Text){room, out};
}

/* Where the name ends after `user ` or `for `, which end at p with their space; p if none is meant; 0 if not sure. */
static const Byte *named(Text line, const Byte *p) {
    const Byte *space = p - 1;
    int user = space - line.at >= 4 && !memcmp(space - 4, "user", 4);
    if (!user && (space - line.at < 3 || memcmp(space - 3, "for", 3))) return p;
    const Byte *word = space - (user ? 4 : 3);
    if (word > line.at && word[-1] >= 0x80) return 0;
    if (word > line.at && (kinds[word[-1]] & WORD)) return p;
    Text rest = {p, line.end};
    while (rest.at < rest.end && !is(rest, 0, BLANK) && *rest.at != '[') rest.at++;
    const Byte *end = rest.at;
    if (end == p || (user && (end == line.end || (equals(rest, 0, ' ') && equals(rest, 1, '['))))) return end;
    if (!shaped(&rest, " from") && !shaped(&rest, " on") && !shaped(&rest, " at")) return p;
    if (rest.at < rest.end && *rest.at >= 0x80) return 0;
    return is(rest, 0, WORD) ? p : end;
}

/* Tokens with a digit and names as `#`, single spaces, written to room; its end, 0 if not sure. */
static Byte *masked(Text line, Byte *room) {
    Byte *out = room;
    int gap = 0;
    for (const Byte *p = line.at; p < line.end;) {
        if (kinds[*p] & BLANK) { gap = 1; p++; continue; }
        if (gap && out > room) *out++ = ' ';
        gap = 0;
        if (kinds[*p] & SEPARATOR) { *out++ = *p++; continue; }
        Byte *token = out;
        int seen = 0;
        for (; p < line.end && !(kinds[*p] & (BLANK | SEPARATOR)); p++) { seen |= kinds[*p]; *out++ = *p; }
        if (seen & DIGIT) { *token = '#'; out = token + 1; }
        if (p == line.end || *p != ' ' || p[-1] != 'r') continue;
        const Byte *end = named(line, p + 1);
        if (!end) return 0;
        if (end > p + 1) { *out++ = ' '; *out++ = '#'; p = end; }
    }
    return out;
}

static PyObject *template(PyObject *self, PyObject *text) {
    Byte room[2][LINE_BYTES];
    Py_ssize_t size;
    (void)self;
    if (!PyUnicode_Check(text) || PyUnicode_GetLength(text) > LONGEST_TEXT) Py_RETURN_NONE;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &size);
    if (!bytes) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) return 0;
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    Text line = {(const Byte *)bytes, (const Byte *)bytes + size};
    if (!first_line(&line) || !header(&line) || !header(&line)) Py_RETURN_NONE;
    if (line.at < line.end && (memchr(line.at, '\'', (size_t)(line.end - line.at)) || memchr(line.at, '"', (size_t)(line.end - line.at))))
        line = unquoted(line, room[0]);
    Byte *end = masked(line, room[1]);
    if (!end) Py_RETURN_NONE;
    return PyUnicode_FromStringAndSize((char *)room[1], end - room[1]);
}

static void mark(const char *bytes, size_t count, int kind) {
    for (size_t i = 0; i < count; i++) kinds[(Byte)bytes[i]] |= (Byte)kind;
}

static PyMethodDef methods[] = {
    {"template", template, METH_O, "template(text) -> the template; None where template.py has to say"}, {0, 0, 0, 0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_template", "template.py, compiled.", -1, methods, 0, 0, 0, 0};

PyMODINIT_FUNC PyInit__template(void) {
    mark("\t\n\v\f\r\x1c\x1d\x1e\x1f ", 10, BLANK);
    mark("=:,;()[]{}'\"", 12, SEPARATOR);
    mark("'\"", 2, QUOTE);
    mark("0123456789", 10, DIGIT | WORD);
    mark("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", 53, WORD);
    return PyModule_Create(&module);
}
