using System.Net;
using Microsoft.Extensions.DependencyInjection;
using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Simulator;

namespace OrleansPd.Cluster.Tests;

public class LateCallTests
{
    private static string Body(int number, int tokens) =>
        $$$"""{"text":"request {{{number}}}","sampling_params":{"max_new_tokens":{{{tokens}}},"temperature":0,"ignore_eos":true}}""";

    [Fact]
    public async Task Calls_that_time_out_refuse_requests_and_their_late_credits_are_not_lost()
    {
        var late = new LateCalls("Sync");
        await using var stage = await ClusterStage.StartAsync(
            silos: 2, prefill: 1, decode: 1,
            engine: o => o with { Speed = 1, MaxRunningRequests = o.Role == EngineRole.Decode ? 4 : 128, DecodeExtraSlots = 0 },
            options: o => (o.QueueTimeoutSecs, o.MaxRunningPerDecodeRank) = (6, 4),
            silo: s => s.Services.AddSingleton<IIncomingGrainCallFilter>(late));
        await stage.ReadyAsync();
        var (holder, other) = (stage.Nodes[0], stage.Nodes[1]);

        // One gateway has all credits; the other gets none, because the grain does not answer in time.
        var long_ = Enumerable.Range(0, 4).Select(i => stage.PostAsync(holder, Body(i, 800))).ToArray();
        await ClusterStage.UntilAsync(
            () => stage.Decode[0].Stats.Running == 4,
            () => string.Join("; ", stage.Nodes.Select(n => $"{n.Plane.Leases} leases, {n.Plane.Waiting} wait"))
                + string.Concat(long_.Where(l => l.IsCompletedSuccessfully).Select(l => l.Result.Body)));
        late.Close();
        var refused = await Task.WhenAll(Enumerable.Range(10, 3).Select(i => stage.PostAsync(other, Body(i, 2))));
        Assert.All(refused, answer => Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.Status));
        Assert.Equal(0, other.Plane.Waiting);
        Assert.Equal(0, other.Plane.Leases);
        Assert.All(await Task.WhenAll(long_), answer => Assert.Equal(HttpStatusCode.OK, answer.Status));
        Assert.Equal(2, late.Held); // at the door of either worker's writer; behind each stand the calls that came after

        // All delayed calls run now, long after their callers timed out. No credit is lost, and none exists twice.
        late.Open();
        for (var round = 0; round < 2; round++)
        {
            var answers = await Task.WhenAll(
                Enumerable.Range(20, 16).Select(i => stage.PostAsync(stage.Nodes[i % 2], Body(i, 5))));
            Assert.All(answers, answer => Assert.True(answer.Status == HttpStatusCode.OK, answer.Body));
        }
        await ClusterStage.UntilAsync(() => stage.Nodes.All(n => n.Plane.Leases == 0));
        Assert.InRange(stage.Decode[0].Stats.Ranks[0].MaxOccupiedSeen, 4, 4);
    }

    /// <summary>Holds calls of one method at the grain's door, whatever their callers think by then.</summary>
    private sealed class LateCalls(string method) : IIncomingGrainCallFilter
    {
        private TaskCompletionSource? _closed;
        private int _held;

        public int Held => Volatile.Read(ref _held);

        public void Close() => Volatile.Write(ref _closed, new(TaskCreationOptions.RunContinuationsAsynchronously));

        public void Open() => Interlocked.Exchange(ref _closed, null)?.SetResult();

        public async Task Invoke(IIncomingGrainCallContext context)
        {
            if (Volatile.Read(ref _closed) is { } closed && context.InterfaceMethod?.Name == method)
            {
                Interlocked.Increment(ref _held);
                await closed.Task;
            }
            await context.Invoke();
        }
    }
}
