"""Fitted models of scikit-learn and statsmodels: lines are read, whatever their columns' order; others are refused."""

import numpy as np
import pytest

import planted
from planted._estimates.columns import order
from planted.errors import InvalidTypeError, InvalidValueError

ROWS = planted.regression([2.0, -3.4, 0.5], 4.2, noise=0.1, n=300, seed=714, dtype="float64")
X, Y = ROWS.X, ROWS.y[:, 0]
COUNTS = np.random.default_rng(0).poisson(np.exp(X @ [0.2, -0.3, 0.1]))
LABELS = (Y + 4 * np.random.default_rng(1).normal(size=len(Y)) > 4.2).astype(float)
NO_LINE = r"is not a line: what it predicts is not X w \+ b"


def assert_right(learned):
    """The least-squares fit, each weight in its place."""
    report = planted.check(learned, ROWS)
    assert report.passed
    assert report.distance < 1e-4


@pytest.fixture
def pd(framework):
    return framework("pandas")


@pytest.fixture
def table(pd):
    """A function that makes a table of the features, named and ordered."""

    def make(*names, columns=(0, 1, 2)):
        return pd.DataFrame({name: X[:, j] for name, j in zip(names, columns, strict=True)})

    return make


@pytest.fixture
def sm(framework):
    framework("statsmodels")
    import statsmodels.api as sm

    return sm


# ---- columns by name --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (["x2", "x0", "x1"], [1, 2, 0]),
        (["x3", "x1", "x2"], [1, 2, 0]),
        (["X_2", "X_1"], [1, 0]),
        (["w[1]", "w[0]"], [1, 0]),
        ([1, 0], [1, 0]),
        ([f"x{j}" for j in range(11, -1, -1)], list(range(11, -1, -1))),
        (["x0", "x1", "x2"], None),
        (["x1", "x2"], None),
        (["size", "age"], None),
        (["x2", "age"], None),
        (["x7", "x9"], None),
        (["lag1", "lag5"], None),
        (["x"], None),
    ],
)
def test_numbered_names_put_the_columns_into_order(names, places):
    found = order(names)
    assert (found if found is None else found.tolist()) == places


@pytest.mark.parametrize("names", [["x5", "x2"], ["x1", "x1"], ["f2", "f1"], ["lag5", "lag1"]])
def test_numbers_in_another_order_that_name_no_columns_of_ours_are_refused(names):
    with pytest.raises(InvalidValueError, match=f"columns are {names[0]}, .* is not clear: name them x0 to x"):
        order(names)


# ---- statsmodels ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("x0", "x1", "x2"), ("x1", "x2", "x3"), (0, 1, 2)])
@pytest.mark.parametrize("prepend", [True, False])
def test_columns_in_another_order_are_matched_by_name(sm, table, names, prepend):
    a, b, c = names
    shuffled = table(c, a, b, columns=(2, 0, 1))
    assert_right(sm.OLS(Y, sm.add_constant(shuffled, prepend=prepend)).fit())
    assert_right(sm.OLS(Y, sm.add_constant(table(a, b, c), prepend=prepend)).fit())


@pytest.mark.usefixtures("sm")
def test_formulas_in_any_order(table):
    import statsmodels.formula.api as smf

    frame = table("x0", "x1", "x2").assign(y=Y)
    results = smf.ols("y ~ x2 + x0 + x1", frame).fit()
    assert_right(results)
    assert_right(results.params)
    assert_right(dict(results.params))
    assert_right((results.params.drop("Intercept"), results.params["Intercept"]))
    assert_right(smf.glm("y ~ x1 + x2 + x0", frame).fit())
    assert planted.check(smf.ols("y ~ x2 + x0 + x1 - 1", frame).fit(), ROWS).parameters[-1].estimate == 0
    for formula, term in (("np.exp(x0) + x1 + x2", r"np\.exp\(x0\)"), ("x0 + x1 + x0:x1", "x0:x1")):
        with pytest.raises(InvalidTypeError, match=f"OLS has a weight for {term}, which is none of the rows' features"):
            planted.check(smf.ols(f"y ~ {formula}", frame).fit(), ROWS)


def test_names_of_somebodys_own_are_taken_in_order(sm, table):
    assert_right(sm.OLS(Y, sm.add_constant(table("size", "age", "tax"))).fit())
    assert_right(sm.OLS(Y, sm.add_constant(X)).fit())
    with pytest.raises(
        InvalidValueError, match=r"columns are f2, f0, f1, .* pass \(w, b\) with the weights in the order"
    ):
        planted.check(sm.OLS(Y, sm.add_constant(table("f2", "f0", "f1", columns=(2, 0, 1)))).fit(), ROWS)


def test_every_statistical_model_that_is_a_line(sm):
    design = sm.add_constant(X)
    for model in (sm.OLS, sm.WLS, sm.GLS, sm.GLM):
        assert_right(model(Y, design).fit())
    for model in (sm.RLM, sm.QuantReg):
        assert planted.check(model(Y, design).fit(), ROWS).passed
    assert_right(sm.OLS(Y, np.column_stack([X, np.full(len(X), 2.0)])).fit())  # the intercept is twice its parameter


def test_statistical_models_that_are_no_line(sm):
    design, families = sm.add_constant(X), sm.families
    for model in (
        sm.Logit(LABELS, design),
        sm.Probit(LABELS, design),
        sm.Poisson(COUNTS, design),
        sm.GLM(COUNTS, design, family=families.Poisson()),
        sm.GLM(LABELS, design, family=families.Binomial()),
        sm.GLM(np.exp(Y / 10), design, family=families.Gaussian(families.links.Log())),
    ):
        results = model.fit() if isinstance(model, sm.GLM) else model.fit(disp=0)
        with pytest.raises(InvalidTypeError, match=f"{type(model).__name__} {NO_LINE}"):
            planted.check(results, ROWS)


# ---- scikit-learn -----------------------------------------------------------------------------------------------


def test_models_fitted_to_tables_in_any_order(sklearn, table):
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    shuffled = table("x2", "x0", "x1", columns=(2, 0, 1))
    for model in (LinearRegression(), make_pipeline(StandardScaler(), LinearRegression())):
        assert_right(model.fit(shuffled, Y))
        assert_right(model.fit(table("size", "age", "tax"), Y))


def test_pipelines_and_whatever_else_is_a_line_in_the_rows_own_features(sklearn):
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.linear_model import LinearRegression, Ridge, TweedieRegressor
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    for model in (
        make_pipeline(StandardScaler(), LinearRegression()),
        TransformedTargetRegressor(LinearRegression(), transformer=StandardScaler()),
        GridSearchCV(Ridge(), {"alpha": [1e-9, 1e-8]}),
        LinearRegression(),
    ):
        assert_right(model.fit(X, Y))
    scaled = make_pipeline(StandardScaler(), LinearRegression()).fit(X.astype("float32"), Y.astype("float32"))
    assert planted.check(scaled, ROWS).distance < 0.01
    assert planted.check(TweedieRegressor(power=0, alpha=0, tol=1e-8).fit(X, Y), ROWS).passed
    bare = LinearRegression(fit_intercept=False).fit(X, Y)
    assert planted.check(bare, ROWS).parameters[-1].estimate == 0


def test_models_that_are_no_line(sklearn):
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, RidgeClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures

    for model, y in (
        (LogisticRegression(), LABELS),
        (RidgeClassifier(), LABELS),
        (PoissonRegressor(), COUNTS),
        (make_pipeline(PolynomialFeatures(2), LinearRegression()), Y),
        (TransformedTargetRegressor(LinearRegression(), func=np.exp, inverse_func=np.log), Y),
        (RandomForestRegressor(3, random_state=0), Y),
    ):
        with (
            np.errstate(invalid="ignore", divide="ignore"),
            pytest.raises(InvalidTypeError, match=f"{type(model).__name__} {NO_LINE}"),
        ):
            planted.check(model.fit(X, y), ROWS)


def test_models_without_a_fit_or_with_several_outputs(sklearn):
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model, pipeline = LinearRegression(), make_pipeline(StandardScaler(), LinearRegression())
    for each in (model, pipeline):
        with pytest.raises(InvalidValueError, match=r"has not been fitted: call its fit\(X, y\) before"):
            planted.check(each, ROWS)
    with pytest.raises(InvalidTypeError, match="LinearRegression is a class, not an estimate"):
        planted.check(LinearRegression, ROWS)
    both = np.column_stack([Y, Y])
    with pytest.raises(InvalidValueError, match="of the several outputs of LinearRegression pass one"):
        planted.check(model.fit(X, both), ROWS)
    with pytest.raises(InvalidValueError, match="Pipeline predicts 2 numbers for a row, and check judges one: fit"):
        planted.check(pipeline.fit(X, both), ROWS)


# ---- names ------------------------------------------------------------------------------------------------------


def test_an_estimate_keeps_the_order_that_names_give(pd):
    for w in (pd.Series({"x2": 0.5, "x0": 2.0, "x1": -3.4}), {"x2": 0.5, "x0": 2.0, "x1": -3.4}):
        assert planted.Estimate(w, 4.2).w.tolist() == [2.0, -3.4, 0.5]
        assert planted.check((w, 4.2), ROWS).parameters[0].estimate == 2.0
    assert planted.Estimate(pd.Series({"size": 0.5, "age": 2.0}), 4.2).w.tolist() == [0.5, 2.0]
    with pytest.raises(InvalidValueError, match=r"columns are x2, x0, and x1 is missing: fit all"):
        planted.Estimate(pd.Series({"x2": 0.5, "x0": 2.0}), 4.2)
    w, b = planted.least_squares(ROWS)
    assert planted.check((w, b), ROWS).distance == 0


def test_numbers_without_a_gap_that_begin_at_2_are_not_clear():
    """No rows' columns are numbered from 2, so that no place can be told from x2."""
    names = ["x2", "x4", "x3"]
    with pytest.raises(InvalidValueError, match=r"columns are x2, x4, x3, in this order, .* is not clear: name them"):
        order(names)
    with pytest.raises(InvalidValueError, match=r"x2, x4, x3, .* is not clear"):
        planted.Estimate(dict.fromkeys(names, 1.0), 4.2)


@pytest.mark.usefixtures("sm")
def test_names_in_quotes_are_names(table):
    import statsmodels.formula.api as smf

    frame = table("x0", "x1", "x2").assign(y=Y)
    results = smf.ols("y ~ Q('x2') + x0 + Q(\"x1\")", frame).fit()
    for learned in (results, results.params, (results.params[1:], results.params["Intercept"])):
        assert_right(learned)
    assert_right(planted.Estimate(results.params[1:], results.params["Intercept"]))


@pytest.mark.usefixtures("sm")
@pytest.mark.parametrize(
    "formula", ["I(x0**2) + x1 + x2", "np.exp(x1) + x0 + x2", "x0:x1 + x0 + x2", "C(x0 > 0) + x1 + x2"]
)
def test_parameters_of_other_things_than_columns_are_refused(table, formula):
    import statsmodels.formula.api as smf

    params = smf.ols(f"y ~ {formula}", table("x0", "x1", "x2").assign(y=Y)).fit().params
    for learned in (params, dict(params), (params[1:], params["Intercept"])):
        with pytest.raises(InvalidTypeError, match=r"has a weight for .*, which is none of the rows' features"):
            planted.check(learned, ROWS)
    with pytest.raises(InvalidTypeError, match=r"w has a weight for"):
        planted.Estimate(params[1:], 4.2)


def test_the_first_missing_number_is_named():
    for names, missing in ((["x3", "x0", "x1"], "x2"), (["X_4", "X_1", "X_2"], "X_3"), ([5, 0], "1")):
        with pytest.raises(InvalidValueError, match=f"columns are {names[0]}, .*, and {missing} is missing: fit all"):
            order(names)


@pytest.mark.usefixtures("sm")
def test_a_missing_column_is_named(table):
    import statsmodels.formula.api as smf

    results = smf.ols("y ~ x2 + x0", table("x0", "x1", "x2").assign(y=Y)).fit()
    for learned in (results, results.params, {"x2": 0.5, "x0": 2.0, "const": 4.2}):
        with pytest.raises(InvalidValueError, match="x1 is missing: fit all of the rows' columns"):
            planted.check(learned, ROWS)


@pytest.mark.usefixtures("sklearn")
def test_the_response_is_no_feature(table):
    from sklearn.linear_model import LinearRegression

    frame = table("x0", "x1", "x2").assign(y=Y)
    fit = LinearRegression().fit(frame[["x0", "x1", "y"]], frame["x2"])
    for learned in (fit, {"x0": 1.0, "y": 2.0, "x1": 3.0, "const": 4.2}):
        with pytest.raises(InvalidTypeError, match="y is the response, not a feature"):
            planted.check(learned, ROWS)
    assert order(["x", "y"]) is None


# ---- predictions ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("sklearn")
def test_a_pipeline_that_looks_for_its_columns_by_name_is_asked_with_names(table):
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    def pipeline(*columns):
        parts = [("scaled", StandardScaler(), ["x1"]), ("others", "passthrough", ["x0", "x2"]), *columns]
        return make_pipeline(ColumnTransformer(parts), LinearRegression())

    assert_right(pipeline().fit(table("x0", "x1", "x2"), Y))
    assert_right(pipeline().fit(table("x2", "x0", "x1", columns=(2, 0, 1)), Y))
    coloured = table("x0", "x1", "x2").assign(colour=np.where(Y > 4, "red", "blue"))
    with pytest.raises(InvalidTypeError, match=r"cannot be asked .*: fit a linear model to the rows' own columns"):
        planted.check(pipeline(("colours", OneHotEncoder(), ["colour"])).fit(coloured, Y), ROWS)


@pytest.mark.usefixtures("sklearn")
def test_partial_least_squares_is_a_line():
    from sklearn.cross_decomposition import PLSRegression

    assert_right(PLSRegression(3).fit(X, Y))


def test_a_model_that_gives_no_predictions_says_why(sm, table):
    results = sm.RecursiveLS(Y, sm.add_constant(table("x0", "x1", "x2"))).fit()
    with pytest.raises(InvalidTypeError, match=r"its predictions \(NotImplementedError\): pass its weights"):
        planted.check(results, ROWS)


# ---- models of layers, asked -------------------------------------------------------------------------------------


SMALL = planted.regression([2.0, -3.4], 4.2, noise=0.01, n=50, seed=714)


@pytest.fixture
def torch_model(torch):
    """A function that makes a module which applies another to its linear layer's output."""

    class Model(torch.nn.Module):
        def __init__(self, function):
            super().__init__()
            self.drop, self.fc, self.function = torch.nn.Dropout(0.5), torch.nn.Linear(2, 1), function
            fit = planted.least_squares(SMALL)
            self.load_state_dict({"fc.weight": torch.tensor(fit.w)[None], "fc.bias": torch.tensor([fit.b])})

        def forward(self, X):
            return self.function(self.fc(self.drop(X)))

    return Model


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("bias", [4.2, 4e3, -4e3, 0.0])
def test_modules_that_bend_or_scale_their_line_in_forward_are_refused(torch, torch_model, dtype, bias):
    bends = [torch.relu, torch.abs, torch.sigmoid, lambda z: z * 2, lambda z: z + 9e3, lambda z: torch.relu(z) * 2]
    for bend in bends:
        model = torch_model(bend).to(getattr(torch, dtype))
        torch.nn.init.constant_(model.fc.bias, bias)
        with pytest.raises(InvalidTypeError, match=NO_LINE):
            planted.check(model, SMALL)


def test_modules_are_asked_without_a_trace(torch, torch_model):
    model = torch_model(lambda z: z.squeeze(-1))
    model.fc.eval()
    before, random = model.state_dict(), torch.get_rng_state()
    assert planted.check(model, SMALL).passed
    assert [part.training for part in (model, model.drop, model.fc)] == [True, True, False]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_modules_that_cannot_be_asked_are_judged_by_their_layers(torch, torch_model):
    def fail(z):
        raise ValueError("no batch")

    for function in (fail, lambda z: {"y": z}, lambda z: (z, z), lambda z: z.sum()):
        assert planted.check(torch_model(function), SMALL).passed
    wrapped = torch.nn.DataParallel(torch_model(lambda z: z))
    assert planted.check(wrapped, SMALL).passed


def test_other_frameworks_models_are_asked(framework):
    keras = framework("keras")
    inputs, dense = keras.Input((2,)), keras.layers.Dense(1)
    fit = planted.least_squares(SMALL)
    model = keras.Model(inputs, dense(keras.layers.Dropout(0.5)(inputs)))
    dense.set_weights([fit.w[:, None], np.array([fit.b])])
    assert planted.check(model, SMALL).passed
    for bent in (dense(inputs) * 2, keras.ops.relu(dense(inputs))):
        with pytest.raises(InvalidTypeError, match=NO_LINE):
            planted.check(keras.Model(inputs, bent), SMALL)


def test_models_of_arrays_are_asked_in_a_copy(framework):
    nnx = framework("flax.nnx")

    class Model(nnx.Module):
        def __init__(self, factor):
            rngs = nnx.Rngs(0)
            self.drop, self.fc, self.factor = nnx.Dropout(0.5, rngs=rngs), nnx.Linear(2, 1, rngs=rngs), factor

        def __call__(self, X):
            return self.factor * self.fc(self.drop(X))

    model = Model(1.0)
    assert planted.check(model, SMALL).statistic > 0
    assert not model.drop.deterministic
    with pytest.raises(InvalidTypeError, match=NO_LINE):
        planted.check(Model(2.0), SMALL)


def test_models_of_one_row_are_asked_row_by_row(framework):
    eqx, jax = framework("equinox"), framework("jax")

    class Model(eqx.Module):
        fc: object
        factor: float

        def __call__(self, x):
            return self.factor * self.fc(x)

    for features in (2, 4, 5):
        rows = planted.regression(np.ones(features), n=50)
        layer = eqx.nn.Linear(features, 1, key=jax.random.key(0))
        assert planted.check(Model(layer, 1.0), rows).statistic > 0
        with pytest.raises(InvalidTypeError, match=NO_LINE):
            planted.check(Model(layer, 2.0), rows)
