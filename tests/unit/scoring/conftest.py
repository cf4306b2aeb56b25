"""A step's stores: settings, ledger, and a folder for what it makes."""

from tests.support.stores import ledger as ledger
from tests.support.stores import scratch as scratch
from tests.support.stores import settings as settings
