"""What goes wrong with processes, hosts, clocks and the broker, by a timetable and at points where it hurts."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from tests.simulation.loop import Process
from tests.simulation.scenario import Accident
from tests.simulation.stage import Machine, Stage
from tests.simulation.workload import PRICES

CUTS: Final[Mapping[Accident, tuple[str, ...]]] = {
    Accident.CUT: ("publish", "consume"),
    Accident.CUT_PUBLISHING: ("publish",),
    Accident.CUT_CONSUMING: ("consume",),
}
FREEZES_S: Final = (0.5, 3.0, 8.0, 12.0, 20.0)
VENUE_STEPS_MS: Final = (-6_000, -1_800, -900, -500, 700, 1_500, 4_000)
MISCOUNTED_S: Final = 0.8
"""How far the count of a suspension may be off: hardware counts in whole seconds."""
CUTS_S: Final = (1.0, 6.0, 11.0, 16.0, 25.0)


class Accidents:
    """Lets accidents happen until `end`."""

    def __init__(self, stage: Stage, restart: Callable[[Machine], None]) -> None:
        self._stage, self._restart = stage, restart
        self._chance = stage.scenario.random("points")
        self._fate = stage.scenario.random("fates")
        self._left_at_points = stage.scenario.most_at_points
        self._is_over = False

    def end(self) -> None:
        """Repair everything: what is still open now must come to its end."""
        stage = self._stage
        self._is_over = True
        stage.note("all faults end")
        for venue in stage.venues.values():
            venue.faults.clear()
            network = venue.network
            network.refused = network.lost_before = network.lost_after = 0.0
        stage.server.start()
        for machine in stage.machines:
            stage.server.heal(machine.host)
            if machine.process is not None:
                self._thaw(machine.process)

    def on_point(self, point: str, process: Process) -> None:
        """A process is at a point where accidents hurt."""
        stage = self._stage
        if self._is_over or not self._left_at_points:
            return
        for accident, rate in stage.scenario.at_points.items():
            if self._chance.random() < rate:
                self._left_at_points -= 1
                stage.record.counts[f"at a point: {point}"] += 1
                stage.note(f"accident while {point}", process)
                machine = next((found for found in stage.machines if found.process is process), None)
                self.strike(accident, machine)
                return

    def strike(self, accident: Accident, target: Machine | None = None) -> None:
        """Let something go wrong."""
        if self._is_over:
            return
        stage = self._stage
        machine = target or self._fate.choice(stage.machines)
        stage.record.counts[f"accident: {accident.value}"] += 1
        stage.note(f"*** {accident.value} at {machine.host.name}")
        if accident in _ABOUT_THE_WORLD:
            _ABOUT_THE_WORLD[accident](self)
        elif accident is Accident.WALL_STEP:
            machine.clock.wall_offset_ms = self._fate.uniform(-950, 950)
        elif machine.running is not None:
            self._hit(accident, machine, machine.running)

    def _hit(self, accident: Accident, machine: Machine, process: Process) -> None:
        match accident:
            case Accident.CRASH:
                self.end_process(machine, process)
            case Accident.POWER_LOSS:
                self.end_process(machine, process, silently=True)
            case Accident.RESTART:
                if machine.worker is not None:
                    process.context.copy().run(machine.worker.stop)
            case Accident.FREEZE:
                self._freeze(process)
            case Accident.SUSPEND:
                self._freeze(process, machine)
            case _:
                self._stage.server.cut(machine.host, CUTS[accident])
                length_s = self._fate.choice(CUTS_S) * self._fate.uniform(0.8, 1.2)
                self._stage.later(length_s, self._stage.server.heal, machine.host)

    # --- Processes

    def end_process(self, machine: Machine, process: Process, *, silently: bool = False) -> None:
        """End a process; its sockets are closed by the kernel, or vanish with the machine."""
        process.is_dead = True
        for connection in self._stage.server.affected(machine.host):
            if connection.process is process and silently:
                connection.recheck()
            elif connection.process is process:
                connection.hang_up()
        self._stage.later(self._fate.uniform(0.3, 20.0), self._restart, machine)

    def _freeze(self, process: Process, suspended: Machine | None = None) -> None:
        """Stop a process for a while, or its whole host: then the host's clocks know how long, more or less."""
        if process.is_frozen:
            return
        process.freeze()
        self._recheck(process)
        length_s = self._fate.choice(FREEZES_S) * self._fate.uniform(0.8, 1.2)
        if suspended is not None:
            self._stage.later(length_s, self._wake, suspended, process, length_s)
        self._stage.later(length_s, self._thaw, process)

    def _wake(self, machine: Machine, process: Process, slept_s: float) -> None:
        if process.is_frozen:
            machine.clock.wake(slept_s, self._fate.uniform(-1, 1) * min(MISCOUNTED_S, slept_s))

    def _thaw(self, process: Process) -> None:
        if process.is_frozen:
            process.thaw(self._stage.loop)
            self._stage.note("thawed", process)
            self._recheck(process)

    def _recheck(self, process: Process) -> None:
        for connection in list(self._stage.server.connections):
            if connection.process is process:
                connection.recheck()

    # --- The world

    def _crash_the_broker(self) -> None:
        server = self._stage.server
        if server.is_up:
            server.crash()
            self._stage.later(self._fate.uniform(0.2, 8), server.start)

    def _step_a_venue(self) -> None:
        venue = self._fate.choice(list(self._stage.venues.values()))
        venue.exchange.clock.step(self._fate.choice(VENUE_STEPS_MS))

    def _move_a_price(self) -> None:
        symbol = self._fate.choice(list(PRICES))
        price = PRICES[symbol] * (1 + Decimal(self._fate.randint(-30, 30)) / 1000)
        for venue in self._stage.venues.values():
            venue.exchange.set_price(
                symbol.replace("/", ""), price.quantize(Decimal("0.01")), int(self._stage.now_ms())
            )


_ABOUT_THE_WORLD: Final[Mapping[Accident, Callable[[Accidents], None]]] = {
    Accident.BROKER_CRASH: Accidents._crash_the_broker,
    Accident.VENUE_STEP: Accidents._step_a_venue,
    Accident.PRICE: Accidents._move_a_price,
}
