"""The words of a bulletin, in Chinese and in English, and the colours of grades."""

from typing import Final, Literal

from models.reasons import Reason
from raster.step import TimeStep

__all__ = [
    "BASIS_ZH",
    "CROPS",
    "GRADE_COLOURS",
    "Language",
    "crop_name",
    "dekad_name",
    "said",
    "word",
]

Language = Literal["zh", "en"]

CROPS: Final = {"maize": "玉米", "rice": "水稻", "soybean": "大豆", "all": "全部土地"}

GRADE_COLOURS: Final = ("#b2182b", "#ef8a62", "#f7e9a0", "#91cf60", "#1a7837")
"""Of the grades 1 to 5; told apart in grey print by their labels."""

BASIS_ZH: Final = {
    "difference": "差值",
    "vci": "VCI",
    "anomaly": "标准化距平",
    "percentile": "百分位",
}

_TENTHS: Final = {1: ("上旬", "first"), 11: ("中旬", "second"), 21: ("下旬", "third")}

_WORDS: Final = {
    "bulletin": "农情简报",
    "simulated": "模拟数据，仅供演示，不反映真实农情",
    "summary": "要点",
    "growth": "长势",
    "growth against past years": "长势评级（与往年同期比较）",
    "map of growth": "长势分布图",
    "course of the season": "生长过程曲线",
    "weather of the season": "气象条件",
    "signals": "农情信号",
    "yield": "单产预估",
    "lineage": "数据来源与处理",
    "caveats": "使用说明",
    "range of past years": "往年范围",
    "mean of past years": "往年平均",
    "mean the grade compares with": "评级所用同期平均",
    "temperature, °C": "旬平均气温（℃）",
    "rain, mm": "旬降水量（毫米）",
    "not this crop": "非该作物",
    "value": "今年",
    "normal": "往年平均",
    "difference": "差值",
    "vegetation condition index": "植被状态指数",
    "anomaly, standard deviations": "标准化距平",
    "percentile": "百分位",
    "years compared": "对比年数",
    "share of crop seen": "有效观测比例",
    "share of what was seen by grade": "有效观测部分的各级比例",
    "signal": "项目",
    "departure": "距平",
    "level": "评价",
    "remark": "备注",
    "run": "运行编号",
    "scenes": "影像",
    "collections": "影像集",
    "grid": "格网",
    "crop map": "作物分布图",
    "weather source": "气象资料",
    "past years": "对比年份",
    "code version": "程序版本",
    "not stated": "未注明",
    "no grade": "无法评级",
    "no signal can be told": "没有可用信号",
    "dekad means; band: past years": "旬值；灰带为往年范围",
    "made by": "制作",
}


def word(english: str, language: Language) -> str:
    """Return a phrase of the bulletin in a language."""
    return english if language == "en" else _WORDS[english]


def said(reason: Reason, language: Language) -> str:
    """Return one language of a reason."""
    return reason.en if language == "en" else reason.zh


def crop_name(crop: str, language: Language) -> str:
    """Return the name of a crop, as it is where there is no Chinese one."""
    return crop if language == "en" else CROPS.get(crop, crop)


def dekad_name(dekad: TimeStep, language: Language) -> str:
    """Name a dekad: 2026年7月下旬（7月21日—31日）."""
    zh, en = _TENTHS[dekad.start.day]
    first, last = dekad.start, dekad.end
    if language == "zh":
        days = f"{first.month}月{first.day}日—{last.day}日"
        return f"{first.year}年{first.month}月{zh}（{days}）"
    return f"{en} dekad of {first:%B %Y} ({first.day}–{last.day} {first:%B})"
