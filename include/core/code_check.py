"""Whether the code of a job is the code that it was asked for with: checked before a step's function is loaded.

A result's key names the code that the asking task saw. A job starts later, and may start elsewhere: from another commit of an
image, or after a file was edited. What it computed would then stand under a key that promises something else.
"""

from __future__ import annotations

import platform

from include.core.digest import Code, changed_modules
from include.core.errors import JobFailedError

_NAMED = 8  # modules that a message shows


class _Process:
    """What this process was found to have: its helpers on other machines are held to the same."""

    code: Code | None = None


def require_code(code: Code) -> None:
    """Raises JobFailedError where a module of it is another one here, and names it. Old requests name none."""
    changed = changed_modules(code)
    if changed:
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        raise JobFailedError(
            f"The code here is not the code that the task asked for: {len(changed)} of {len(code.modules)} modules differ.",
            seen=f"{', '.join(changed[:_NAMED])}{more}, on {platform.node()} (Python {platform.python_version()})",
            safe="nothing was run; checkpoints are kept.",
            hint="the retry asks with the code that Airflow has by then; where the job's code comes from an image or a clone, "
            "bring that to the same commit first.",
        )
    _Process.code = code


def checked() -> Code | None:
    """What `require_code` last found in order in this process; None where it was not asked."""
    return _Process.code
