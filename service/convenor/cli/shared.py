"""What several commands need: how they parse an argument, read the settings, and work with the owner's login."""

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from convenor.config import Settings
from convenor.configuration_error import ConfigurationError
from convenor.terminal import say

if TYPE_CHECKING:
    from convenor.domain_types.dates import AcademicYear

Result = TypeVar("Result")

MARKUP: Literal["rich"] | None = "rich" if sys.stdout.isatty() else None
"""How help is written."""


def parse_date(text: str) -> date:
    """Parse a date of the command line, in the form that bodies have."""
    from convenor.domain_types.dates import FullDate

    try:
        return TypeAdapter[date](FullDate).validate_python(text)
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"]) from None


def parse_year(text: str) -> "AcademicYear":
    """Parse an academic year of the command line."""
    from convenor.domain_types.dates import AcademicYear

    try:
        return AcademicYear.parse(text)
    except PydanticCustomError as error:
        raise typer.BadParameter(str(error)) from None


def read_settings() -> Settings:
    """Read the settings of the environment.

    Raises:
        ConfigurationError: One is invalid. Its value is not shown.
    """
    try:
        return Settings()
    except ValidationError as error:
        # Leave the values out: one of the settings is an address with a password.
        errors = [
            f"CONVENOR_{'_'.join(map(str, each['loc'])).upper()}: {each['msg'].rstrip('.')}" for each in error.errors()
        ]
        raise ConfigurationError(f"A setting is invalid: {'; '.join(errors)}.", "Correct it, or unset it.") from None


def absolute(file: Path) -> Path:
    """Return the absolute path of a file that the command line names.

    Raises:
        ConfigurationError: It begins with an unknown user.
    """
    try:
        return file.expanduser().absolute()
    except RuntimeError:
        raise ConfigurationError(f"{file} begins with a user who does not exist.", "Name another file.") from None


def as_owner(work: Callable[[str], Result]) -> Result:
    """Do work with the owner's login, on a migrated database.

    Raises:
        ConfigurationError: Something that a person must correct first.
    """
    from convenor import serving
    from convenor.startup_errors import explain_failure

    settings = read_settings()
    with serving.open_migrated(settings, say) as database:
        owner_url = database.require_owner_url()
        with explain_failure("The command failed", "Correct that, then repeat the command. Nothing was stored."):
            # Make missing keys before the first client: later, missing keys mean lost keys.
            serving.prepare_first_keys(settings.data_dir, owner_url)
            return work(owner_url)
