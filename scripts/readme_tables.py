"""Write the tables of figures from results/*.json: the README's, and docs/figures.md.

python scripts/readme_tables.py           # writes both
python scripts/readme_tables.py --check   # exit code 1 where one is not up to date
"""

import argparse

from measuring.results import ROOT
from pages.conditions import JPEG, demo_picture
from pages.figures_firmware import firmware_tables
from pages.figures_own_models import own_model_tables
from pages.figures_peers import peer_tables
from pages.figures_pruning import pruning_tables
from pages.figures_random_bases import random_basis_tables
from pages.figures_structured import structured_tables
from pages.figures_training import training_tables
from pages.headlines import headlines
from pages.layer_tables import short_table
from pages.tables import filled, markdown_table, write_or_check

TOPICS = {
    "The main job": training_tables,
    "C code": firmware_tables,
    "Models of one's own": own_model_tables,
    "Beside other packages": peer_tables,
    "Structured layers": structured_tables,
    "Random bases": random_basis_tables,
    "Pruning": pruning_tables,
}
INTRODUCTION = f"""# Figures

Everything that was measured here, by topic. Each table names the script that makes it; the file of the same name in
`results/` says the command, the date, the machine, the versions and the seeds (`scripts/show_records.py` prints
all of them). Timings are ratios of medians, both sides in one process, in turn, on two cores. Accuracy is the mean ±
standard deviation of seeds, chosen on validation data. What the sources claim, and the date of each
record, stand in `REPRODUCTION.md`. {JPEG}

<!-- Written by scripts/readme_tables.py. -->
"""
COMMAND = "python scripts/readme_tables.py"


def readme():
    """README.md with its blocks of figures."""
    rows = [[what, figure, f"`{script}`", date] for what, figure, script, date in headlines()]
    blocks = {
        "headlines": markdown_table(["what", "figure", "script", "measured"], rows),
        "layers in short": short_table(),
        "picture of the demo": demo_picture("docs/report.png"),
    }
    return filled((ROOT / "README.md").read_text(encoding="utf-8"), lambda name: blocks[name.split(";")[0]])


def figures_page():
    """docs/figures.md."""
    parts = [INTRODUCTION]
    for topic, tables in TOPICS.items():
        parts += [f"\n## {topic}\n", *(f"{table.markdown()}\n" for table in tables())]
    return "\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether they are up to date")
    check = parser.parse_args().check
    write_or_check(ROOT / "README.md", readme(), check, COMMAND)
    write_or_check(ROOT / "docs" / "figures.md", figures_page(), check, COMMAND)


if __name__ == "__main__":
    main()
