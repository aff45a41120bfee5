"""What stands in the pages, as the tests of README and of `docs/` read it."""

import re


def blocks(text, language):
    """The contents of a page's blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
