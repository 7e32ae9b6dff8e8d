"""The command `cact`: which commands there are, and which module holds each. Only the module of the command that is asked for is loaded."""

from importlib import import_module

import click

# Of each module webtest.commands_*: the commands that its attach(main) adds, each with its line in `cact --help`.
COMMANDS = {
    "assemble": {"assemble": "Choose the items that satisfy a blueprint and inform most."},
    "bank": {"bank": "The item bank: import, check, publish, export, list."},
    "calibrate": {
        "calibrate": "Estimate item parameters by marginal maximum likelihood.",
        "link": "Link two calibrations by their common items.",
    },
    "dif": {"dif": "Differential item functioning between two groups."},
    "engine": {
        "information": "Category probabilities and information of a bank's items.",
        "next": "What a selection rule gives after given answers.",
        "plan": "Check test plans.",
        "score": "Ability of every person from the answers in a file.",
    },
    "fit": {"fit": "How well items, pairs and the whole model fit the answers."},
    "girth": {"girth": "A second opinion by girth, and classical statistics of a form."},
    "house": {
        "audit": "Verify the log of a wave, and every decision in it.",
        "demo": "Try CACT: a sample bank, an open wave and a server.",
        "init": "Make an installation.",
        "serve": "Serve an installation over HTTP until interrupted.",
    },
    "person": {
        "personfit": "How well each person's answers and times fit the model.",
        "security": "Items that got out, answers in common, preknowledge.",
    },
    "rehearse": {"rehearse": "Drive virtual test-takers over HTTP from login to receipt."},
    "responses": {"responses": "Answers of closed waves as files."},
    "results": {"results": "Results of closed waves as files."},
    "roster": {"roster": "Rosters of expected test-takers."},
    "simulate": {"simulate": "Try plans on simulated people, or replay real answers."},
    "upkeep": {
        "correlations": "How the competencies of a bank correlate.",
        "drift": "Whether items moved since the bank was calibrated.",
        "pretest": "What each pretest item still needs.",
    },
    "user": {"user": "Officers' accounts."},
    "wave": {"wave": "Waves: who sits what, where and when."},
}


class Commands(click.Group):
    """The top group, of COMMANDS."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        return sorted(name for lines in COMMANDS.values() for name in lines)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for module, lines in COMMANDS.items():
            if cmd_name in lines and cmd_name not in self.commands:
                import_module(f"webtest.commands_{module}").attach(self)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's own signature
        """The list in `cact --help`; click would load every module for it."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(line for lines in COMMANDS.values() for line in lines.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cact")
def main() -> None:
    """CACT: computerized adaptive competency testing.

    Start with 'cact demo' (everything, on this machine) or 'cact init' (an empty installation).

    Exit codes: 0 done; 1 checked and not sound; 2 bad input, or refused.
    """


if __name__ == "__main__":
    main()
