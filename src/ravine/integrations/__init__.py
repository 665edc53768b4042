"""`ravine.watch` inside of other people's trainers: `ravine.integrations.lightning` and `ravine.integrations.transformers`.

Each imports its trainer, so they are imported by name.
"""
