"""What is planted: validated, compared, kept without losing a bit."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import planted
from planted.errors import InvalidTypeError, InvalidValueError

finite = st.floats(allow_nan=False, allow_infinity=False)


def test_weights_from_lists_arrays_rows_and_columns_are_one_vector():
    expected = planted.LinearTruth([2.0, -3.5], 4.25, 0.5)
    for w in ([2, -3.5], (2.0, -3.5), np.array([2, -3.5]), np.array([[2.0], [-3.5]]), np.array([[2, -3.5]], "f4")):
        assert planted.LinearTruth(w, np.float32(4.25), np.array(0.5)) == expected
    assert planted.LinearTruth(range(1, 3)) == planted.LinearTruth([1.0, 2.0])


def test_a_float32_weight_keeps_exactly_the_value_it_had():
    w = np.array([2, -3.4], np.float32)
    assert planted.LinearTruth(w).w[1] == float(w[1]) != -3.4


def test_weights_from_torch_tensors(torch):
    """Tensors of any float type, also ones that require gradients, or of a type that NumPy lacks."""
    expected = planted.LinearTruth([2.0, -3.5])
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        w = torch.tensor([2, -3.5], dtype=dtype, requires_grad=True)
        assert planted.LinearTruth(w) == expected
        assert planted.LinearTruth(w.reshape(-1, 1), b=torch.tensor([0.0])) == expected


def test_a_duck_with_asnumpy_is_a_tensor_too():
    """Frameworks whose arrays offer `asnumpy` are understood without being imported."""

    class Tensor:
        def asnumpy(self):
            return np.array([1.0, 2.0])

    assert planted.LinearTruth(Tensor()) == planted.LinearTruth([1.0, 2.0])


def test_the_weights_are_read_only_and_not_the_callers():
    w = np.array([1.0, 2.0])
    truth = planted.LinearTruth(w)
    w[0] = 7
    assert truth.w[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        truth.w[0] = 7
    with pytest.raises(AttributeError):
        truth.b = 7


@given(st.lists(finite, min_size=1, max_size=20), finite, st.floats(0, 1e300))
def test_json_and_pickle_lose_no_bit(w, b, noise):
    truth = planted.LinearTruth(w, b, noise)
    again = planted.LinearTruth.from_dict(json.loads(json.dumps(truth.to_dict())))
    unpickled = pickle.loads(pickle.dumps(truth))
    for other in (again, unpickled):
        assert other == truth
        assert other.w.tobytes() == truth.w.tobytes()
        assert hash(other) == hash(truth)
        assert not other.w.flags.writeable


def test_equality_and_hash():
    truth = planted.LinearTruth([1.0, 2.0], 3.0, 0.5)
    assert truth != planted.LinearTruth([1.0, 2.5], 3.0, 0.5)
    assert truth != planted.LinearTruth([1.0, 2.0], 3.5, 0.5)
    assert truth != planted.LinearTruth([1.0, 2.0], 3.0, 0.25)
    assert truth != "truth"
    assert hash(planted.LinearTruth([0.0])) == hash(planted.LinearTruth([-0.0]))


def test_repr_is_useful_and_short():
    assert repr(planted.LinearTruth([2.0, -3.4], 4.2, 0.01)) == "LinearTruth(w=[2.0, -3.4], b=4.2, noise=0.01)"
    text = repr(planted.LinearTruth(np.arange(1e5)))
    assert "100000 weights" in text
    assert len(text) < 100


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"w": []}, InvalidValueError, r"w is empty; .* such as w=\[2.0, -3.4\]"),
        ({"w": [1.0, np.nan]}, InvalidValueError, r"w\[1\]=nan must be finite"),
        ({"w": [np.inf, 1.0]}, InvalidValueError, r"w\[0\]=inf must be finite"),
        ({"w": 2.0}, InvalidValueError, r"w has shape \(\); it must be a vector"),
        ({"w": [[1.0, 2.0], [3.0, 4.0]]}, InvalidValueError, r"w has shape \(2, 2\)"),
        ({"w": np.zeros((1, 1, 2))}, InvalidValueError, r"w has shape \(1, 1, 2\)"),
        ({"w": ["a"]}, InvalidTypeError, "must be real numbers"),
        ({"w": [True, False]}, InvalidTypeError, "w holds bool values"),
        ({"w": [1j]}, InvalidTypeError, "w holds complex128 values"),
        ({"w": [1.0], "b": np.nan}, InvalidValueError, "b=nan must be finite"),
        ({"w": [1.0], "b": [1.0, 2.0]}, InvalidValueError, r"b has shape \(2,\); it must be one number"),
        ({"w": [1.0], "b": "4"}, InvalidTypeError, "b='4' must be a real number"),
        ({"w": [1.0], "noise": -0.5}, InvalidValueError, "noise=-0.5 must be at least 0: it is a standard deviation"),
        ({"w": [1.0], "noise": np.inf}, InvalidValueError, "noise=inf must be finite"),
    ],
)
def test_bad_truths_are_refused(arguments, error, message):
    """The error names the value, the rule and the remedy, and is one of planted's own."""
    with pytest.raises(error, match=message) as caught:
        planted.LinearTruth(**arguments)
    assert isinstance(caught.value, planted.PlantedError)


@pytest.mark.parametrize("fields", [{}, {"w": [1.0]}, {"w": [1.0], "b": 0, "noise": 0, "more": 1}, 3])
def test_a_dict_of_other_fields_is_not_a_truth(fields):
    with pytest.raises(InvalidValueError, match="a truth has the fields"):
        planted.LinearTruth.from_dict(fields)


def test_planted_weights_keep_their_prefix_and_differ_by_seed_and_salt():
    many = planted.weights(1001, seed=3)
    assert many.shape == (1001,)
    assert abs(many.mean()) < 0.15
    assert abs(many.std() - 1) < 0.1
    for count in (1, 2, 3, 1000):
        np.testing.assert_array_equal(planted.weights(count, seed=3), many[:count])
    assert (planted.weights(5, seed=4) != many[:5]).all()
    assert (planted.weights(5, seed=3, salt="x") != many[:5]).all()
    with pytest.raises(InvalidValueError, match="features=0"):
        planted.weights(0)


def test_a_number_beyond_numpys_integers_is_a_float():
    """Python's integers have no end; float64's have one."""
    assert planted.LinearTruth([1.0], b=10**30).b == 1e30
    with pytest.raises(InvalidTypeError, match=r"b=10000.* must be a real number within float64: use"):
        planted.LinearTruth([1.0], b=10**400)
