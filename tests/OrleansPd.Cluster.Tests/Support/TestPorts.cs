using Orleans.TestingHost;

namespace OrleansPd.Cluster.Tests.Support;

/// <summary>
/// Test clusters of all processes of a machine take their ports from one range, and ports of connections that have just ended
/// count as taken: where there are none, some are free again a moment later.
/// </summary>
internal static class TestPorts
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(2);

    public static async Task<InProcessTestCluster> BuildAsync(this InProcessTestClusterBuilder builder)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Longest);
        while (true)
        {
            try
            {
                return builder.Build();
            }
            catch (InvalidOperationException e) when (
                e.Message.Contains("ports", StringComparison.Ordinal) && !limit.IsCancellationRequested)
            {
                await Task.Delay(200, CancellationToken.None);
            }
        }
    }
}
