"""Pickles of version 0.1.0 as it was before its files moved into rooms: they still load, to the same values."""

import pickle
import pickletools

import numpy as np
import pytest
from comparisons import equal

import planted

# each written by pickle.dumps(..., protocol=2); NumPy's names are those that each of its versions reads

TRUTH = (
    b"\x80\x02cplanted._truth\nLinearTruth\ncnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85c_codec"
    b"s\nencode\nq\x00X\x01\x00\x00\x00bX\x06\x00\x00\x00latin1q\x01\x86R\x87R(K\x01K\x02\x85cnumpy\ndtype\nX\x02"
    b"\x00\x00\x00f8\x89\x88\x87R(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89h\x00X\x11"
    b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00@333333\x0b\xc3\x80h\x01\x86RtbG@\x10\xcc\xcc\xcc\xcc\xcc\xcdG?\x84z"
    b"\xe1G\xae\x14{\x87R."
)

BATCH = (
    b"\x80\x02cplanted._types\nBatch\ncnumpy.core.multiarray\n_reconstruct\nq\x00cnumpy\nndarray\nq\x01K\x00\x85c_c"
    b"odecs\nencode\nq\x02X\x01\x00\x00\x00bX\x06\x00\x00\x00latin1q\x03\x86Rq\x04\x87R(K\x01K\x02K\x02\x86cnumpy\n"
    b"dtype\nX\x02\x00\x00\x00f4\x89\x88\x87Rq\x05(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK"
    b"\x00tb\x89h\x02X\x14\x00\x00\x00=\xc3\x86\xc2\x9f?t\x18E?GQU>\xc3\xb4j\x0b\xc3\x80h\x03\x86Rtbh\x00h\x01K\x00"
    b"\x85h\x04\x87R(K\x01K\x02K\x01\x86h\x05\x89h\x02X\r\x00\x00\x00\xc2\xb4\xc3\x8d\xc2\x81@\xc3\xbe\xc2\x85@Ah"
    b"\x03\x86Rtb\x86\x81."
)

COMPUTED = (
    b"\x80\x02cplanted._rows\nComputedRows\n)\x81](cplanted._truth\nLinearTruth\ncnumpy.core.multiarray\n_reconstru"
    b"ct\ncnumpy\nndarray\nK\x00\x85c_codecs\nencode\nq\x00X\x01\x00\x00\x00bX\x06\x00\x00\x00latin1q\x01\x86R\x87R"
    b"(K\x01K\x02\x85cnumpy\ndtype\nX\x02\x00\x00\x00f8\x89\x88\x87R(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ"
    b"\xff\xff\xff\xffK\x00tb\x89h\x00X\x11\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00@333333\x0b\xc3\x80h\x01\x86RtbG"
    b"@\x10\xcc\xcc\xcc\xcc\xcc\xcdG?\x84z\xe1G\xae\x14{\x87RK\x14M\xca\x02X\x00\x00\x00\x00X\x07\x00\x00\x00float3"
    b"2K\nKdeb."
)

MEMORY = (
    b"\x80\x02cplanted._rows\nMemoryRows\n)\x81](cplanted._truth\nLinearTruth\ncnumpy.core.multiarray\n_reconstruct"
    b"\nq\x00cnumpy\nndarray\nq\x01K\x00\x85c_codecs\nencode\nq\x02X\x01\x00\x00\x00bX\x06\x00\x00\x00latin1q\x03"
    b"\x86Rq\x04\x87R(K\x01K\x02\x85cnumpy\ndtype\nq\x05X\x02\x00\x00\x00f8\x89\x88\x87R(K\x03X\x01\x00\x00\x00<q"
    b"\x06NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89h\x02X\x11\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00@333333"
    b"\x0b\xc3\x80h\x03\x86RtbG@\x10\xcc\xcc\xcc\xcc\xcc\xcdG?\x84z\xe1G\xae\x14{\x87RK\x03M\xca\x02X\x00\x00\x00"
    b"\x00X\x07\x00\x00\x00float32K\x00h\x00h\x01K\x00\x85h\x04\x87R(K\x01K\x03K\x02\x86h\x05X\x02\x00\x00\x00f4"
    b"\x89\x88\x87Rq\x07(K\x03h\x06NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89h\x02X\x1f\x00\x00\x00=\xc3\x86"
    b'\xc2\x9f?t\x18E?GQU>\xc3\xb4j\x0b\xc3\x80Vn"?\xc3\xb4\x1c\xc2\x97\xc2\xbfh\x03\x86Rtbh\x00h\x01K\x00\x85h\x04'
    b"\x87R(K\x01K\x03K\x01\x86h\x07\x89h\x02X\x12\x00\x00\x00\xc2\xb4\xc3\x8d\xc2\x81@\xc3\xbe\xc2\x85@A%\xc2\xba"
    b"\x17Ah\x03\x86Rtbeb."
)

PERMUTATION = (
    b"\x80\x02cplanted._order\nPermutation\n)\x81](M\xe8\x03K\x03K\x02X\x01\x00\x00\x00s\x88X\x05\x00\x00\x00ordereb."
)

LOADER = (
    b"\x80\x02cplanted._loader\nLoader\n)\x81}(X\x04\x00\x00\x00rowscplanted._rows\nComputedRows\n)\x81](cplanted._"
    b"truth\nLinearTruth\ncnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85c_codecs\nencode\nq\x00X"
    b"\x01\x00\x00\x00bX\x06\x00\x00\x00latin1q\x01\x86R\x87R(K\x01K\x02\x85cnumpy\ndtype\nX\x02\x00\x00\x00f8\x89"
    b"\x88\x87R(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89h\x00X\x11\x00\x00\x00\x00"
    b"\x00\x00\x00\x00\x00\x00@333333\x0b\xc3\x80h\x01\x86RtbG@\x10\xcc\xcc\xcc\xcc\xcc\xcdG?\x84z\xe1G\xae\x14{"
    b"\x87RKdM\xca\x02X\x00\x00\x00\x00q\x02X\x07\x00\x00\x00float32K\x00KdebX\n\x00\x00\x00batch_sizeK X\x07\x00"
    b"\x00\x00shuffle\x88X\t\x00\x00\x00drop_last\x89X\x08\x00\x00\x00pad_last\x89X\x04\x00\x00\x00seedK\x03X\x04"
    b"\x00\x00\x00salth\x02X\t\x00\x00\x00frameworkX\x05\x00\x00\x00numpyX\x05\x00\x00\x00fresh\x89X\n\x00\x00\x00w"
    b"ith_index\x89X\x06\x00\x00\x00_aheadK\x02X\x06\x00\x00\x00memoryJ\x00\x00\x00\x10X\x05\x00\x00\x00_planNX\x02"
    b"\x00\x00\x00_nKdX\x04\x00\x00\x00rankK\x00X\n\x00\x00\x00world_sizeK\x01X\x05\x00\x00\x00_nextK\x00K\x00\x86X"
    b"\x07\x00\x00\x00_cursorNX\x0c\x00\x00\x00_fingerprintNub."
)


ROWS = planted.regression([2.0, -3.4], 4.2, noise=0.01, n=100, seed=714)


def test_a_truth():
    assert pickle.loads(TRUTH) == ROWS.truth


def test_a_batch():
    batch = pickle.loads(BATCH)
    assert isinstance(batch, planted.Batch)
    equal(batch, ROWS[:2])


def test_computed_rows():
    rows = pickle.loads(COMPUTED)
    assert rows == ROWS.split(10, 20)[1]
    equal((rows.X, rows.y), ROWS[10:30])
    equal(rows.fresh(1)[:], planted.rows(ROWS.truth, 200, seed=714)[100:120])  # after the whole that they are a part of


def test_rows_in_memory():
    rows = pickle.loads(MEMORY)
    assert rows == ROWS.split(3)[0].materialize()
    equal((rows.X, rows.y), ROWS[:3])


def test_a_permutation():
    order = planted.permutation(1000, 3, 2, salt="s").inverse()
    again = pickle.loads(PERMUTATION)
    assert again == order
    np.testing.assert_array_equal(again.take(range(1000)), order.take(range(1000)))


def test_a_loader():
    again, loader = pickle.loads(LOADER), planted.Loader(ROWS, 32, seed=3)
    assert again.state_dict() == loader.state_dict()
    for batch, expected in zip(again, loader, strict=True):
        equal(batch, expected)


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (ROWS.truth, "planted LinearTruth"),
        (ROWS[:1], "planted Batch"),
        (ROWS, "planted._rows ComputedRows"),
        (ROWS.materialize(), "planted._rows MemoryRows"),
        (planted.permutation(10), "planted._order Permutation"),
    ],
    ids=lambda value: value.split()[1] if isinstance(value, str) else "",
)
def test_new_pickles_name_no_file(thing, name):
    """So that files can move again: they name `planted`, or the room of what is not public."""
    names = [text for code, text, _ in pickletools.genops(pickle.dumps(thing, 2)) if code.name == "GLOBAL"]
    assert names[0] == name
    assert type(thing).__module__ == name.split()[0]
