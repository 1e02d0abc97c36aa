"""Fu et al. 2022 rebuilt from the published tables: every number beside the recomputed one, every table and figure."""
