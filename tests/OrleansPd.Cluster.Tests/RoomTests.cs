using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;

namespace OrleansPd.Cluster.Tests;

public class RoomTests
{
    [Fact]
    public async Task A_room_registered_at_one_gateway_is_known_at_all_and_survives_its_silo()
    {
        await using var stage = await ClusterStage.StartAsync(silos: 3, prefill: 1, decode: 1);
        await stage.ReadyAsync();
        var rooms = Enumerable.Range(1, 500).Select(i => i * 7919L).ToArray();
        var stored = await Task.WhenAll(rooms.Select((room, i) =>
            stage.Nodes[i % 3].Plane.RegisterRankAsync(room, i % 8, ClusterStage.Token).AsTask()));
        Assert.All(stored, answer => Assert.Equal(RankRegistration.Stored, answer));
        await ExpectAsync(stage.Nodes[2]);
        Assert.Equal(RankRegistration.Conflict, await stage.Nodes[1].Plane.RegisterRankAsync(rooms[0], 5, ClusterStage.Token));
        await stage.KillAsync(stage.Nodes[0]);
        foreach (var node in stage.Nodes)
            await ExpectAsync(node);

        async Task ExpectAsync(ClusterStage.Node node)
        {
            var ranks = new int[rooms.Length];
            await node.Plane.QueryRanksAsync(rooms, ranks, ClusterStage.Token);
            Assert.Equal(rooms.Select((_, i) => i % 8), ranks);
        }
    }

    [Fact]
    public async Task Gateways_never_mint_the_same_room()
    {
        await using var stage = await ClusterStage.StartAsync(silos: 3, prefill: 1, decode: 1);
        await stage.ReadyAsync();
        await stage.KillAsync(stage.Nodes[0]);
        await stage.AddSiloAsync();
        await stage.ReadyAsync();
        var rooms = new HashSet<long>();
        foreach (var node in stage.Nodes)
        {
            for (var i = 0; i < 200; i++)
            {
                var grant = await node.Plane.AcquireAsync(
                    new PairRequest { Items = 4, MaxWait = TimeSpan.FromSeconds(20) }, ClusterStage.Token);
                var lease = grant.Lease ?? throw new InvalidOperationException(grant.Refusal?.ToString());
                Assert.All(lease.Rooms.ToArray(), room => Assert.True(rooms.Add(room), $"room {room} twice"));
                node.Plane.LegEnded(lease, LegSide.Prefill, LegOutcome.Neutral);
                node.Plane.LegEnded(lease, LegSide.Decode, LegOutcome.Neutral);
            }
        }
    }
}
