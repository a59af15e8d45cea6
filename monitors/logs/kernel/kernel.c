/* The common cases of segment.py, compiled: lines, JSON records, Python traces, "at" stacks and Go's panics. Whatever
 * is not sure to be one of these is handed back, position and all, to segment.py, which is the specification; a
 * property test holds the two together. Equal hashes mean equal fingerprints. */
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HAVE_AVX2 1
#include <immintrin.h>
#endif

typedef const unsigned char *P;
#if defined(__GNUC__) || defined(__clang__)
#define INLINE static inline __attribute__((always_inline)) /* so that lengths of texts are known */
#else
#define INLINE static inline
#endif
enum { PYTHON, STACK, GO, RUST, RUBY, PHP, JSON, LINE };
enum { END, HAND, MORE, NEWS, TOLD, GROUP };
#define WINDOW 200
#define MATCHED 2000
#define MAX_LITERALS 64

#include "literals.h"
#include "hash.h"
#include "lines.h"
#include "json.h"
#include "grammar.h"
#include "text.h"
#include "foreign.h"
#include "blocks.h"
#include "python.h"
#include "stack.h"
#include "go.h"
#include "writers.h"
#include "find.h"
#include "known.h"
#include "wrapped.h"

static int append(PyObject *events, P base, const Event *e) {
    PyObject *one = Py_BuildValue("(innK)", e->kind, (Py_ssize_t)(e->start - base), (Py_ssize_t)(e->end - base), (unsigned long long)e->hash);
    int failed = !one || PyList_Append(events, one) < 0;
    Py_XDECREF(one);
    return failed ? -1 : 0;
}
static void took(Text *t, P start, P end) {
    if (end > t->floor) t->floor = end;
    if (end > next_line(t, start)) t->low = t->floor;
}

/* Events whose lines lie among each other: counted when all are known, else told by their hashes and left to segment.py. */
static int take_group(Text *t, Known *k, PyObject *events) {
    int known = 1;
    for (int n = 0; n < t->grouped; n++) known &= knows(k, t->group[n].hash);
    for (int n = 0; n < t->grouped; n++) {
        if (!known) { if (append(events, t->buffer, &t->group[n]) < 0) return -1; continue; }
        count(k, t->group[n].hash, t->group[n].start - t->buffer);
        took(t, t->group[n].start, t->group[n].end);
    }
    return known;
}

/* From p on up to the end, or to what the caller must do; the events that are new to it are appended. */
static int search(Text *t, P *at, P first_line, Known *k, PyObject *events, int *ended) {
    const Filter *f = &filters[t->errors != 0];
    P p = *at;
    int first = p == t->buffer || p[-1] == '\n';
    while (p < t->stop) {
        P hit = p;
        if (!first) { hit = next_hit(f, p, t->stop); if (hit >= t->stop) break; }
        first = 0;
        P line = memrchr(t->floor, '\n', hit - t->floor);
        line = line ? line + 1 : t->floor;
        if (line < first_line && line < t->floor) { p = hit + 1; continue; }
        Event found = event_at(t, line);
        if (found.status == GROUP) {
            int known = take_group(t, k, events);
            if (known < 0) return -1;
            if (!known) { *at = line; return TOLD; }
            p = t->floor;
            first = 1;
        } else if (found.status != END) {
            *ended = found.ended; *at = found.start;
            return found.status;
        } else if (found.kind >= 0) {
            took(t, found.start, found.end);
            p = t->floor > t->buffer ? t->floor : p + 1;
            if (!count(k, found.hash, found.start - t->buffer)) {
                if (append(events, t->buffer, &found) < 0) return -1;
                /* one new kind at a time, so that it is learned before the next of its kind comes */
                if (k) { *at = p; return NEWS; }
            }
            first = 1; /* literals that begin with a newline are found from the newline */
        } else p = found.end > hit ? found.end - (found.end > t->buffer && found.end < t->stop) : hit + 1;
    }
    *at = p;
    return END;
}

/* scan(buffer, at, low, floor, stop, final, errors, line_bytes, known) ->
 * (events, status, position, ended, low, floor, counted) */
static PyObject *scan(PyObject *self, PyObject *args) {
    Py_buffer view; Py_ssize_t at, low, floor_, stop; int final, errors, line_bytes, ended = 0;
    PyObject *source, *capsule = Py_None;
    Known *k = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "Onnnnppi|O", &source, &at, &low, &floor_, &stop, &final, &errors, &line_bytes, &capsule)) return 0;
    if (capsule != Py_None && !(k = PyCapsule_GetPointer(capsule, "known"))) return 0;
    if (PyObject_GetBuffer(source, &view, PyBUF_SIMPLE) < 0) return 0;
    if (at < 0 || low < 0 || floor_ < low || floor_ > stop || at > stop || stop > view.len) {
        PyBuffer_Release(&view);
        PyErr_SetString(PyExc_ValueError, "positions outside the buffer");
        return 0;
    }
    P base = view.buf, p = base + at;
    Text t = {.buffer = base, .low = base + low, .floor = base + floor_, .stop = base + stop, .final = final, .errors = errors,
              .line_bytes = line_bytes, .groups = k != 0};
    PyObject *events = PyList_New(0);
    int status = events ? search(&t, &p, base + at, k, events, &ended) : -1;
    PyBuffer_Release(&view);
    PyObject *told = status < 0 ? 0 : counted(k);
    if (!told) { Py_XDECREF(events); return 0; }
    return Py_BuildValue("(NininnN)", events, status, (Py_ssize_t)(p - base), ended, (Py_ssize_t)(t.low - base), (Py_ssize_t)(t.floor - base), told);
}

static PyObject *setup(PyObject *self, PyObject *args) {
    PyObject *traces, *all; unsigned long long key;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOK", &traces, &all, &key)) return 0;
    seed = key;
    memset(separator, 0, sizeof separator);
    for (const char *c = SEPARATORS; *c; c++) separator[(unsigned char)*c] = 1;
    PyObject *marks = Py_BuildValue("(yyyyyyyyyyyyyyyy)", "\tat ", "  at ", "  File \"", "\tfrom ", " from ", "Traceback (", "panic: ",
                                    "panicked at", "Stack trace:", "stacktrace]", "Parse error: ", "Fatal error: ", "fatal error: ", ":in ", "goroutine ", "Uncaught ");
    if (!marks) return 0;
    int failed = add_literals(&filters[0], traces) < 0 || add_literals(&filters[1], all) < 0 || add_literals(&filters[2], marks) < 0;
    Py_DECREF(marks);
    if (failed) return 0;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"scan", scan, METH_VARARGS, "scan(buffer, at, low, floor, stop, final, errors, line_bytes, known) -> (events, status, position, ended, low, floor, counted)"},
    {"known", known, METH_NOARGS, "known() -> a table of kinds that scan counts itself"},
    {"learn", learn, METH_VARARGS, "learn(known, key, ident): from now on events with this key are counted for ident"},
    {"unwrap", unwrap, METH_VARARGS, "unwrap(buffer, start, stop, base, floors, docker, unwrap) -> [(name, text, table, open_at)]"},
    {"setup", setup, METH_VARARGS, "setup(trace_literals, all_literals, key)"},
    {0, 0, 0, 0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kernel", "The common cases of segment.py, compiled.", -1, methods, 0, 0, 0, 0};
PyMODINIT_FUNC PyInit__kernel(void) { return PyModule_Create(&module); }
