"""What the pages show: tables, plots and sentences made of results/*.json."""
