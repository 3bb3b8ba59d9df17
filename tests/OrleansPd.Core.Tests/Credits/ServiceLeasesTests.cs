using OrleansPd.Core.Credits;
using OrleansPd.Core.Requests;

namespace OrleansPd.Core.Tests.Credits;

public class ServiceLeasesTests
{
    private static readonly TimeSpan ValidFor = TimeSpan.FromSeconds(10);
    private readonly TestFleet _fleet = new TestFleet().With(prefill: 1, decode: 1);
    private readonly ServiceLeases _leases = new(ValidFor);

    private PairLease Hold()
    {
        var lease = _fleet.State.Acquire(new PairRequest(), _fleet.Now, _fleet.Timestamp).Grant!.Value.Lease!;
        _leases.Add(lease, _fleet.Now);
        return lease;
    }

    [Fact]
    public void Each_leg_ends_once()
    {
        var lease = Hold();
        Assert.Same(lease, _leases.Ended(lease.Id, LegSide.Prefill));
        Assert.Null(_leases.Ended(lease.Id, LegSide.Prefill));
        Assert.Equal(1, _leases.Count);
        Assert.Same(lease, _leases.Ended(lease.Id, LegSide.Decode));
        Assert.Equal(0, _leases.Count);
        Assert.Null(_leases.Ended(lease.Id, LegSide.Decode));
    }

    [Fact]
    public void A_silent_service_s_lease_is_taken_with_the_legs_that_run()
    {
        var lease = Hold();
        _leases.Ended(lease.Id, LegSide.Prefill);
        Assert.Empty(_leases.TakeOverdue(_fleet.Now + ValidFor - TimeSpan.FromTicks(1)));
        var taken = Assert.Single(_leases.TakeOverdue(_fleet.Now + ValidFor));
        Assert.Equal([LegSide.Decode], taken.Left);
        Assert.Equal([lease.Prefill!.Id, lease.Decode.Id], taken.Workers.Select(w => w.Id));
        Assert.Null(_leases.Ended(lease.Id, LegSide.Decode));
    }

    [Fact]
    public void An_answered_probe_makes_it_ready_again()
    {
        var lease = Hold();
        _leases.Renew(lease.Id, ["r1"], _fleet.Now + TimeSpan.FromSeconds(9));
        Assert.Empty(_leases.TakeOverdue(_fleet.Now + TimeSpan.FromSeconds(18)));
        Assert.Equal(["r1"], lease.Rids);
        Assert.Single(_leases.TakeAll());
        _leases.Renew(lease.Id, ["r2"], _fleet.Now); // too late: the lease has been taken over
        Assert.Equal(["r1"], lease.Rids);
    }
}
