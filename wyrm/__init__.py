"""Wyrm: sparse models on the CPU."""

from wyrm.draw import draw as draw
from wyrm.gradient_check import check_gradients as check_gradients
from wyrm.kernels.dispatch import set_fast_math as set_fast_math
from wyrm.leaf import IndexInputNode as IndexInputNode
from wyrm.leaf import InputNode as InputNode
from wyrm.leaf import ParameterNode as ParameterNode
from wyrm.node import Node as Node
from wyrm.ops import concatenate as concatenate
from wyrm.ops import embedding as embedding
from wyrm.ops import embedding_bag as embedding_bag
from wyrm.ops import fm_interaction as fm_interaction
from wyrm.ops import vector_dot as vector_dot
from wyrm.parameter import HogwildParameter as HogwildParameter
from wyrm.trainer import Trainer as Trainer
