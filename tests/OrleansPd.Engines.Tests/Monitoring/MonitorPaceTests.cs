using OrleansPd.Engines.Monitoring;

namespace OrleansPd.Engines.Tests.Monitoring;

public sealed class MonitorPaceTests
{
    [Theory]
    [InlineData(4, 2, 10)]
    [InlineData(200, 2, 10)]
    [InlineData(400, 2, 20)]
    [InlineData(1000, 5, 50)]
    public void Readings_keep_their_interval_until_the_limit_of_the_process_stretches_it(int monitors, int load, int facts)
    {
        var pace = new MonitorPace();
        for (var i = 0; i < monitors; i++)
            pace.Begin();
        Assert.Equal(TimeSpan.FromSeconds(load), pace.Load(TimeSpan.FromSeconds(2)));
        Assert.Equal(TimeSpan.FromSeconds(facts), pace.Facts(TimeSpan.FromSeconds(10)));
        for (var i = 0; i < monitors; i++)
            pace.End();
        Assert.Equal(TimeSpan.FromSeconds(2), pace.Load(TimeSpan.FromSeconds(2)));
    }
}
