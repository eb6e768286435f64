-- gateway.network: addresses and networks as bytes, and nothing that is only like one.

local network = require "gateway.network"

local function hex(bytes)
  return bytes and (string.gsub(bytes, ".", function(c) return string.format("%02x", string.byte(c)) end))
end

for text, bytes in pairs({
  ["0.0.0.0"] = "00000000",
  ["203.0.113.255"] = "cb0071ff",
  ["::"] = string.rep("00", 16),
  ["::1"] = string.rep("00", 15) .. "01",
  ["2001:db8::"] = "20010db8" .. string.rep("00", 12),
  ["2001:DB8:0:1:2:3:4:5"] = "20010db8000000010002000300040005",
  ["1::8"] = "0001" .. string.rep("00", 12) .. "0008",
  ["::ffff:192.0.2.1"] = string.rep("00", 10) .. "ffffc0000201",
}) do
  it("reads " .. text, function()
    assert.equal(bytes, hex(network.parse(text)))
  end)
end

for _, text in ipairs({
  "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.-1", "1.2.3.4 ", "0x7f.1.1.1", "1.2..4", ":", ":::",
  "1::2::3", "12345::", "g::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1.2.3",
  "::1.2.3.256", "1:2",
}) do
  it("refuses " .. text .. " as an address", function()
    assert.is_nil(network.parse(text))
  end)
end

for text, want in pairs({
  ["10.0.0.0/8"] = "0a 8 4",
  ["203.0.113.0/24"] = "cb0071 24 4",
  ["192.0.2.128/25"] = "c0000280 25 4",
  ["192.0.2.7/32"] = "c0000207 32 4",
  ["0.0.0.0/0"] = " 0 4",
  ["2001:db8:1:2::/64"] = "20010db800010002 64 16",
  ["fe80::/10"] = "fe80 10 16",
}) do
  it("reads the network " .. text, function()
    local prefix, length, size = network.parse_network(text)
    assert.equal(want, hex(prefix) .. " " .. length .. " " .. size)
  end)
end

for _, text in ipairs({
  "10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "/8", "10.0.0.1/8", "192.0.2.129/25", "::/129", "::1/64",
  "10.0.0.0/-1", "10.0.0.0/8/8", "",
}) do
  it("refuses " .. text .. " as a network", function()
    assert.is_nil(network.parse_network(text))
  end)
end

it("has the same prefix for an address in a network as for the network, and for no other", function()
  local prefix, length = network.parse_network("192.0.2.128/25")
  assert.equal(prefix, network.prefix(network.parse("192.0.2.200"), length))
  assert.not_equal(prefix, network.prefix(network.parse("192.0.2.127"), length))
end)
