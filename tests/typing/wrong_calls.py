"""Wrong calls: mypy and pyright refuse each line that is marked so, and an unneeded mark is an error of its own."""

import planted

rows = planted.regression([2.0, -3.4], 4.2, n=1_000)
estimate = planted.least_squares(rows)

planted.Loader(rows, shuffle="batch")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
planted.Loader(rows, framework="pytorch")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
planted.Loader(rows, 256, True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
planted.Loader(rows, batchsize=256)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
planted.write(rows, "rows", format="csvv")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
planted.check(rows, estimate)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
planted.rows([2.0, -3.4], 1_000)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
planted.regression([2.0], n=9, dtype="float16")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
planted.audit(3, rows)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
planted.audit(rows, [rows[:]])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
planted.audit(planted.Loader(rows))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
planted.permutation("ten")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
planted.check(rows, estimate)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
planted.check(rows, (estimate.w, 4.2))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
planted.check(estimate, rows[:])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
planted.check(estimate, rows).pased  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
planted.chekc  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
