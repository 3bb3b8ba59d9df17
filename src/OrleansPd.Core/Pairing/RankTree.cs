namespace OrleansPd.Core.Pairing;

/// <summary>
/// Finds the lowest of n scores at once and takes a changed score in log n steps, so that a choice among thousands of ranks
/// costs no scan. A complete binary tree in one array: node i is the lower of nodes 2i and 2i+1, leaves stand at the end.
/// </summary>
internal sealed class RankTree
{
    /// <summary>Score of a leaf that must not be chosen.</summary>
    public const long Closed = long.MaxValue;

    private readonly long[] _nodes;
    private readonly int _width;

    public RankTree(int leaves)
    {
        _width = 1;
        while (_width < leaves)
        {
            _width *= 2;
        }
        _nodes = new long[_width * 2];
        Array.Fill(_nodes, Closed);
    }

    public long this[int leaf] => _nodes[_width + leaf];

    public long Lowest => _nodes[1];

    public void Set(int leaf, long score)
    {
        var i = _width + leaf;
        _nodes[i] = score;
        for (i /= 2; i > 0; i /= 2)
        {
            var lower = Math.Min(_nodes[i * 2], _nodes[(i * 2) + 1]);
            if (_nodes[i] == lower)
            {
                return;
            }
            _nodes[i] = lower;
        }
    }

    /// <summary>The leaf of the lowest score, -1 when all are closed.</summary>
    public int Argmin() => Descend(1);

    /// <summary>The same, without the leaves from <paramref name="from"/> up to but not including <paramref name="to"/>.</summary>
    public int ArgminExcept(int from, int to)
    {
        var left = Lower(0, from);
        var right = Lower(to, _width);
        var node = left == 0 ? right : right == 0 || _nodes[left] <= _nodes[right] ? left : right;
        return node == 0 ? -1 : Descend(node);
    }

    /// <summary>Node of the lowest score among leaves [from, to); 0 when there is none.</summary>
    private int Lower(int from, int to)
    {
        var best = 0;
        for (int low = from + _width, high = to + _width; low < high; low /= 2, high /= 2)
        {
            if ((low & 1) == 1)
            {
                best = best == 0 || _nodes[low] < _nodes[best] ? low : best;
                low++;
            }
            if ((high & 1) == 1)
            {
                high--;
                best = best == 0 || _nodes[high] < _nodes[best] ? high : best;
            }
        }
        return best;
    }

    private int Descend(int node)
    {
        if (_nodes[node] == Closed)
        {
            return -1;
        }
        while (node < _width)
        {
            node *= 2;
            if (_nodes[node] > _nodes[node + 1])
            {
                node++;
            }
        }
        return node - _width;
    }
}
