"""What a reading shows by itself, in its series and beside its neighbours: rules, flags, and a report for a person."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "rules": ["flag_readings", "misdated"],
    "catalog": ["is_measurement", "Rule", "RULEBOOK", "rules_table", "RULES_VERSION", "usable"],
    "findings": ["judge_failures", "judge_readings", "severity"],
    "used": ["all_left_out", "CONTEXT", "decide_use", "CHEAPER", "left_out_text", "look_at_rules", "MONITORED", "outcomes_of",
             "refuse_without_pm25", "SECOND_ONE", "Used", "used_of", "used_readings", "used_text"],
    "reports": ["quality_report", "report_text"],
})
