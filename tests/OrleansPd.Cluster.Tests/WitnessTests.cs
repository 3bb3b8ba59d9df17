using Microsoft.Extensions.DependencyInjection;
using OrleansPd.Cluster.Membership;
using OrleansPd.Cluster.Tests.Support;

namespace OrleansPd.Cluster.Tests;

public class WitnessTests
{
    [Fact]
    public async Task What_a_gateway_has_is_known_to_another_silo_even_when_the_grain_that_was_told_has_ended()
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
        gate.Close(); // nobody tells it again
        await stage.Cluster.Client.GetGrain<IManagementGrain>(0)
            .ForceActivationCollection(TimeSpan.Zero, TestContext.Current.CancellationToken);
        Assert.NotEqual(0, witnesses.Count(name));
        gate.Open();
        await answer;
        // What has ended is known nowhere.
        await ClusterStage.UntilAsync(() => witnesses.Count(name) == 0);
    }
}
