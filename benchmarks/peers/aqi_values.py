"What python-aqi and aqi-hub give for the cases on standard input, one JSON answer for each: a number, or the error as it is."
import json
import sys
import warnings

import aqi
from aqi_hub.aqi_cn import cal_iaqi_cn
from aqi_hub.aqi_usa import cal_iaqi_usa

warnings.simplefilter("ignore")
ALGORITHMS = {"us_epa_2024": aqi.ALGO_EPA, "cn_hj633_2012": aqi.ALGO_MEP}   # python-aqi's EPA is the one of 2012
# Its two functions take their arguments in opposite orders.
FUNCTIONS = {"us_epa_2024": cal_iaqi_usa, "cn_hj633_2026": lambda value, item: cal_iaqi_cn(item, value)}


def python_aqi(standard, parameter, hours, value):
    name = parameter if parameter.startswith("pm") else f"{parameter}_{hours}h"
    return float(aqi.to_iaqi(name, value, algo=ALGORITHMS[standard]))


def aqi_hub(standard, parameter, hours, value):
    return FUNCTIONS[standard](float(value), f"{parameter.upper()}_{hours}H")


def answer(ask, known, standard, *case):
    if standard not in known: return "no table"
    try: return ask(standard, *case)
    except Exception as e: return f"{type(e).__name__}: {e}".rstrip(": ")


print(json.dumps([[answer(python_aqi, ALGORITHMS, *case), answer(aqi_hub, FUNCTIONS, *case)] for case in json.load(sys.stdin)]))
