"""What attack.py does to the package: hostile files, arguments, folders, kills."""
