/* Kinds that are known: counted here, so that a log full of errors makes no objects. */
#define SLOTS (1 << 17)
typedef struct { uint64_t key; Py_ssize_t ident, count, last; } Slot;
typedef struct { int used, touched; int dirty[SLOTS]; Slot slots[SLOTS]; } Known;

static Slot *slot(Known *k, uint64_t key) {
    uint64_t at = key >> 40 & (SLOTS - 1);
    while (k->slots[at].key && k->slots[at].key != key) at = (at + 1) & (SLOTS - 1);
    return &k->slots[at];
}
static void forget(PyObject *capsule) { PyMem_Free(PyCapsule_GetPointer(capsule, "known")); }
static PyObject *known(PyObject *self, PyObject *args) {
    (void)self; (void)args;
    Known *k = PyMem_Calloc(1, sizeof *k);
    if (!k) return PyErr_NoMemory();
    return PyCapsule_New(k, "known", forget);
}
static PyObject *learn(PyObject *self, PyObject *args) {
    PyObject *capsule; unsigned long long key; Py_ssize_t ident;
    (void)self;
    if (!PyArg_ParseTuple(args, "OKn", &capsule, &key, &ident)) return 0;
    Known *k = PyCapsule_GetPointer(capsule, "known");
    if (!k) return 0;
    if (key && k->used < SLOTS / 2) {
        Slot *s = slot(k, key);
        if (!s->key) { k->used++; s->key = key; s->count = 0; }
        s->ident = ident;
    }
    Py_RETURN_NONE;
}
static int knows(Known *k, uint64_t key) { return k && key && slot(k, key)->key; }
static int count(Known *k, uint64_t key, Py_ssize_t at) {
    if (!k || !key) return 0;
    Slot *s = slot(k, key);
    if (!s->key) return 0;
    if (!s->count++) k->dirty[k->touched++] = (int)(s - k->slots);
    s->last = at;
    return 1;
}
static PyObject *counted(Known *k) { /* [(ident, count, last)] since the last call */
    PyObject *all = PyList_New(0);
    for (int i = 0; all && k && i < k->touched; i++) {
        Slot *s = &k->slots[k->dirty[i]];
        PyObject *one = Py_BuildValue("(nnn)", s->ident, s->count, s->last);
        s->count = 0;
        if (!one || PyList_Append(all, one) < 0) { Py_XDECREF(one); Py_CLEAR(all); break; }
        Py_DECREF(one);
    }
    if (k) k->touched = 0;
    return all;
}

