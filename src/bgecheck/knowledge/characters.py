"""Characters that texts are made up of which are sent to a server."""

COMMON = (
    "天气今明山水花草书店车站老师学校公园电影音乐城市春夏秋冬红蓝白黑大小新旧来去看听说写想走跑吃喝买卖开关上下左右"
)
"""Characters that every Chinese BERT vocabulary holds, one token each."""
