"""Files people write, read strictly: every problem of a file at once, each with its key path and remedy.

Step 1 of the walk. `strict_yaml` reads a tree, `constitutions` and `hierarchies` make records of it. Knows no run.
"""
