-- What a person of the shop reads when the console refuses him, in both languages at once: nothing is known
-- of his own here.

local _M = {}

--- Code → title (`en`, `zh`) and what to do about it.
_M.TEXTS = {
  bad_request = {
    en = "The request could not be read.",
    zh = "无法读取该请求。",
  },
  refused = {
    en = "The firewall refused this request.",
    zh = "防火墙拒绝了该请求。",
    en_more = "Something in it looks like an attack. Nothing was saved. If it was ordinary work, give your "
      .. "administrator the reference below.",
    zh_more = "其中的某些内容看起来像攻击，没有保存任何数据。"
      .. "如果这是正常操作，请把下面的编号告诉管理员。",
  },
  not_found = {
    en = "There is no such page.",
    zh = "没有这个页面。",
  },
  method_not_allowed = {
    en = "This cannot be done here.",
    zh = "这里不允许该操作。",
  },
  too_slow = {
    en = "The request took too long to arrive.",
    zh = "请求传输超时。",
  },
  too_large = {
    en = "The request is too large.",
    zh = "请求过大。",
    en_more = "Nothing was saved. Send less at once.",
    zh_more = "没有保存任何数据。请减少一次提交的内容。",
  },
  too_many = {
    en = "Too many requests.",
    zh = "请求过多。",
    en_more = "Wait a second and load the page again.",
    zh_more = "请稍等一秒后重新加载页面。",
  },
  unavailable = {
    en = "The control plane does not answer.",
    zh = "控制面没有响应。",
    en_more = "The sale itself goes on. What you sent last may or may not have been saved: look before you "
      .. "send it again.",
    zh_more = "销售本身不受影响。您最后提交的内容可能已保存，也可能没有："
      .. "再次提交之前请先查看。",
  },
}

local PAGE = [[<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sluice</title></head>
<body>
<h1>%s</h1>
<p>%s</p>
<div lang="zh-Hans">
<h1>%s</h1>
<p>%s</p>
</div>
<p>Reference · 编号: <code>%s</code></p>
<p><a href="/admin/">Sluice</a></p>
</body>
</html>
]]

--- The page of one code. reference: what the logs know the request by.
function _M.render(code, reference)
  local text = _M.TEXTS[code]
  return string.format(PAGE, text.en, text.en_more or "", text.zh, text.zh_more or "", reference)
end

return _M
