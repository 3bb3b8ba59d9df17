using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;
using OrleansPd.Client.Contracts;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Requests;

namespace OrleansPd.Cluster.Tests;

/// <summary>Silos of two releases in one cluster. The older one's messages are kept in a program of their own.</summary>
public class ContractVersionTests
{
    [Fact]
    public async Task An_old_silo_and_a_new_one_read_each_other()
    {
        await using var services = new ServiceCollection().AddSerializer().BuildServiceProvider();
        var serializer = services.GetRequiredService<Serializer>();
        using var old = StartOld();
        try
        {
            var sent = (await AskAsync(old, "write")).Split(' ');
            var report = serializer.Deserialize<GatewayReport>(Convert.FromBase64String(sent[0]));
            Assert.NotNull(report);
            Assert.Equal(("old", 12, 9), (report.Claim.Gateway, report.Claim.Sequence, report.Claim.Ledger));
            Assert.Equal([new RankClaim(3, 1, 7, 2, 0)], report.Claim.Ranks);
            Assert.False(report.Claim.IsLeaving);
            Assert.Equal((77, 2, 4, TimeSpan.FromSeconds(5)), (report.Registration, report.Epoch, report.Batch, report.Stalled));
            Assert.Empty(report.Rids);
            Assert.Empty(report.Outcomes);
            Assert.Equal(new RoomClaim(1L << 61, 6), serializer.Deserialize<RoomClaim>(Convert.FromBase64String(sent[1])));

            var ours = report with
            {
                Claim = report.Claim with
                {
                    Gateway = "new",
                    IsBrief = true,
                    IsLeaving = true,
                    Ranks = [new RankClaim(3, 1, 7, 2, 4096)]
                },
                Outcomes = [new OutcomeRun(LegOutcome.Failed, 3)],
                Rids = ["pd1", "pd2"],
            };
            Assert.Equal("new 12 9 3 1 7 2 77 2 4 5", await AskAsync(old, $"report {Text(ours)}"));
            Assert.Equal("5 1", await AskAsync(old, $"room {Text(new RoomClaim(5, 1))}"));
        }
        finally
        {
            old.Kill();
        }

        string Text<T>(T value) => Convert.ToBase64String(serializer.SerializeToArray(value));
    }

    private static async Task<string> AskAsync(Process old, string line)
    {
        await old.StandardInput.WriteLineAsync(line);
        var answer = await old.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
        return answer ?? throw new InvalidOperationException(
            await old.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
    }

    private static Process StartOld()
    {
        // Built beside this project, but not referenced by it.
        var folder = AppContext.BaseDirectory.Replace(
            "OrleansPd.Cluster.Tests", "OrleansPd.PreviousContracts", StringComparison.Ordinal);
        var start = new ProcessStartInfo("dotnet", [Path.Combine(folder, "OrleansPd.PreviousContracts.dll")])
        {
            RedirectStandardError = true,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        return Process.Start(start)!;
    }
}
