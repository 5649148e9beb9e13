"""A room that asks the house for everything it may ask for: what a new room looks like, and a test that it can run.

It keeps plants. Whoever has the gate's key may water them. A gardener notes now and then how many there are.
"""

from blazon.room import Room, Table
from blazon.storage import MigrationSet
from tests.garden.apply import APPLIERS
from tests.garden.events import TYPES
from tests.garden.models import PLANT
from tests.garden.settings import GardenSettings
from tests.garden.setup import build

__all__ = ["room"]

room = Room(
    name="garden",
    migrations=MigrationSet("garden", "tests.garden"),
    tables=(Table("plants", ("id",)),),
    kinds=(PLANT,),
    types=TYPES,
    appliers=APPLIERS,
    build=build,
    settings={"garden": GardenSettings},
    ports=("garden",),
)
