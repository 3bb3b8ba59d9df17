using Microsoft.Extensions.DependencyInjection;
using OrleansPd.Client.Contracts;
using OrleansPd.Cluster.Membership;
using OrleansPd.Cluster.Tests.Support;

namespace OrleansPd.Cluster.Tests;

public class WitnessTests
{
    [Fact]
    public async Task Requests_of_a_gateway_are_known_to_another_silo_even_after_the_witness_grain_has_ended()
    {
        var gate = new CallGate();
        await using var stage = await ClusterStage.StartAsync(
            silos: 2, prefill: 1, decode: 1, engine: o =>
                o with { Speed = 1 }, silo: silo => silo.AddOutgoingGrainCallFilter(gate));
        await stage.ReadyAsync();
        var (gateway, other) = (stage.Nodes[0], stage.Nodes[1]);
        var name = ClusterMembers.NameOf(gateway.Handle.SiloAddress);
        var witnesses = other.Handle.ServiceProvider.GetRequiredService<Witnesses>();
        var answer = stage.PostAsync(
            gateway, """{"text":"a long answer","sampling_params":{"max_new_tokens":150,"temperature":0,"ignore_eos":true}}""");
        await ClusterStage.UntilAsync(() => witnesses.Count(name) > 0, () => "the other silo was told nothing");
        gate.Close(); // no further report arrives
        await stage.Cluster.Client.GetGrain<IManagementGrain>(0)
            .ForceActivationCollection(TimeSpan.Zero, TestContext.Current.CancellationToken);
        Assert.NotEqual(0, witnesses.Count(name));
        gate.Open();
        await answer;
        // What has ended is known nowhere.
        await ClusterStage.UntilAsync(() => witnesses.Count(name) == 0);
    }

    [Fact]
    public async Task A_report_that_arrives_after_its_gateway_was_declared_dead_is_aborted_and_not_kept()
    {
        await using var stage = await ClusterStage.StartAsync(silos: 2, prefill: 1, decode: 1, engine: o => o with { Speed = 1 });
        await stage.ReadyAsync();
        var (dead, other) = (stage.Nodes[0], stage.Nodes[1]);
        var name = ClusterMembers.NameOf(dead.Handle.SiloAddress);
        var services = other.Handle.ServiceProvider;
        await stage.KillAsync(dead);
        await ClusterStage.UntilAsync(() => services.GetRequiredService<ClusterMembers>().IsDead(name));
        var answer = stage.PostAsync(other, """
            {"rid":"late","text":"a long answer","sampling_params":{"max_new_tokens":3000,"temperature":0,"ignore_eos":true}}
            """);
        await ClusterStage.UntilAsync(() => stage.Decode[0].Stats.Ranks[0].Occupied > 0);
        var decode = other.Plane.Fleet.Decode[0].Id;
        await services.GetRequiredService<IGrainFactory>().GetGrain<IWitnessGrain>(name).Remember([new(decode, ["late"])]);
        Assert.Equal(0, services.GetRequiredService<Witnesses>().Count(name));
        await ClusterStage.UntilAsync(() => stage.Decode[0].Stats.AbortedTotal > 0, () => "nothing was aborted");
        _ = await answer;
    }
}
