-- gateway.redis_cluster: slots as the cluster specification counts them, and what MOVED teaches.

local cluster = require "gateway.redis_cluster"

describe("the slot", function()
  it("is CRC16 modulo 16384", function()
    assert.equal(0x31c3, cluster.slot_of("123456789")) -- the specification's own example
    assert.equal(12182, cluster.slot_of("foo"))
    assert.equal(5061, cluster.slot_of("bar"))
    assert.equal(0, cluster.slot_of(""))
  end)

  it("is that of the hash tag, the first one, if it is not empty", function()
    assert.equal(cluster.slot_of("user1000"), cluster.slot_of("{user1000}.following"))
    assert.equal(cluster.slot_of("{bar"), cluster.slot_of("foo{{bar}}zap"))
    assert.equal(cluster.slot_of("bar"), cluster.slot_of("foo{bar}{zap}"))
    assert.are_not.equal(cluster.slot_of("bar"), cluster.slot_of("foo{}{bar}"))
    assert.are_not.equal(cluster.slot_of("bar"), cluster.slot_of("foo}bar{"))
  end)

  it("is one for all keys of a shard and another for another epoch", function()
    local slot = cluster.slot_of("{i7:s00:e1}:ctl")
    assert.equal(slot, cluster.slot_of("{i7:s00:e1}"))
    assert.equal(slot, cluster.slot_of("{i7:s00:e1}:outbox"))
    assert.are_not.equal(slot, cluster.slot_of("{i7:s00:e2}:ctl"))
  end)
end)

describe("MOVED", function()
  it("teaches the slot's new owner", function()
    cluster.learn_moved("MOVED 12 10.0.0.5:7003", "10.0.0.1:7001")
    assert.equal("10.0.0.5:7003", cluster.address_of(12))
  end)

  it("without a host means the host that was asked", function()
    cluster.learn_moved("MOVED 13 :7004", "10.0.0.1:7001")
    assert.equal("10.0.0.1:7004", cluster.address_of(13))
  end)

  it("with an IPv6 address is understood", function()
    cluster.learn_moved("MOVED 14 ::1:7005", "10.0.0.1:7001")
    assert.equal("::1:7005", cluster.address_of(14))
  end)

  it("that is something else teaches nothing", function()
    cluster.learn_moved("MOVED 12 10.0.0.5:7003", "10.0.0.1:7001")
    cluster.learn_moved("ASK 12 10.0.0.9:7009", "10.0.0.1:7001")
    assert.equal("10.0.0.5:7003", cluster.address_of(12))
  end)
end)
