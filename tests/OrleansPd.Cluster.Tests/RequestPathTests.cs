using System.Net;
using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Core.Requests;

namespace OrleansPd.Cluster.Tests;

public class RequestPathTests
{
    private const string Body = """{"text":"no grain is asked","sampling_params":{"max_new_tokens":2,"temperature":0}}""";

    [Fact]
    public async Task Requests_are_served_while_no_grain_call_of_their_silo_ends()
    {
        var gate = new CallGate();
        await using var stage = await ClusterStage.StartAsync(
            silos: 1, prefill: 2, decode: 2, silo: silo => silo.AddOutgoingGrainCallFilter(gate));
        await stage.ReadyAsync();
        var node = stage.Nodes[0];
        await HaveCreditsAsync(node);
        gate.Close();
        await ClusterStage.UntilAsync(() => gate.Held > 0, () => "no call came to the gate: it proves nothing");
        for (var round = 0; round < 5; round++)
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => stage.PostAsync(node, Body)));
            Assert.All(answers, answer => Assert.True(answer.Status == HttpStatusCode.OK, answer.Body));
        }
        gate.Open();
    }

    [Fact]
    public async Task Admission_and_reports_complete_synchronously_with_credits()
    {
        await using var stage = await ClusterStage.StartAsync(silos: 2, prefill: 1, decode: 1);
        await stage.ReadyAsync();
        foreach (var node in stage.Nodes)
        {
            await HaveCreditsAsync(node);
            for (var i = 0; i < 100; i++)
            {
                var acquired = node.Plane.AcquireAsync(new PairRequest(), ClusterStage.Token);
                Assert.True(acquired.IsCompletedSuccessfully);
                var grant = await acquired;
                var lease = grant.Lease;
                Assert.True(lease is not null, grant.Refusal?.ToString());
                node.Plane.LegEnded(lease, LegSide.Prefill, LegOutcome.Neutral);
                node.Plane.LegEnded(lease, LegSide.Decode, LegOutcome.Neutral);
            }
        }
    }

    /// <summary>A gateway knows a worker before it has credits there: the first request may wait for them.</summary>
    private static async Task HaveCreditsAsync(ClusterStage.Node node)
    {
        var grant = await node.Plane.AcquireAsync(new PairRequest { MaxWait = TimeSpan.FromSeconds(20) }, ClusterStage.Token);
        var lease = grant.Lease;
        Assert.True(lease is not null, grant.Refusal?.ToString());
        node.Plane.LegEnded(lease, LegSide.Prefill, LegOutcome.Neutral);
        node.Plane.LegEnded(lease, LegSide.Decode, LegOutcome.Neutral);
    }
}
