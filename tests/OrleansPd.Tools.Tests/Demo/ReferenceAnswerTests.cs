using OrleansPd.Simulator;
using OrleansPd.Simulator.Model;
using OrleansPd.Tools.Demo;
using OrleansPd.Tools.Replay;
using OrleansPd.Tools.Traces;

namespace OrleansPd.Tools.Tests.Demo;

public sealed class UnsplitAnswerTests
{
    [Fact]
    public async Task An_engine_that_is_not_split_gives_the_unsplit_answer()
    {
        await using var engine = await SimulatedEngine.StartAsync(new() { Speed = 0 }, ct: TestContext.Current.CancellationToken);
        using var replayer = new TraceReplayer(
            new() { Url = engine.Url, Speed = 0, Concurrency = 8, Verifier = ReferenceAnswer.CompareAsync }, TimeProvider.System);

        var report = await replayer.RunAsync(SyntheticTrace.Create(new() { Requests = 50 }),
            TestContext.Current.CancellationToken);

        Assert.Empty(report.Failures);
        Assert.Equal(50, report.Succeeded);
    }

    [Fact]
    public async Task One_wrong_token_is_found()
    {
        var request = new ReplayedRequest
        {
            Body = """{"input_ids":[1001,1002],"sampling_params":{"max_new_tokens":4}}"""u8.ToArray(),
            Index = 7,
            InputTokens = 2,
            OutputIds = ReferenceModel.CompleteIds([1001, 1002], 4, new() { IgnoreEos = true }),
            OutputTokens = 4,
            Total = TimeSpan.Zero,
        };
        var wrong = request with { OutputIds = [.. request.OutputIds.Take(3), request.OutputIds[3] + 1] };

        Assert.Null(await ReferenceAnswer.CompareAsync(request, TestContext.Current.CancellationToken));
        Assert.Equal("request 7: 4 of 4 tokens, equal up to token 3",
            await ReferenceAnswer.CompareAsync(wrong, TestContext.Current.CancellationToken));
    }
}
